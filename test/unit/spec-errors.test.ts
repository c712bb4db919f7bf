import { expect, test } from 'vitest'
import * as errors from '../../src/spec/errors.ts'

test.each([
  [errors.badJson('x'), 400, 'M_BAD_JSON'],
  [errors.notJson(), 400, 'M_NOT_JSON'],
  [errors.invalidParam('x'), 400, 'M_INVALID_PARAM'],
  [errors.missingParam('x'), 400, 'M_MISSING_PARAM'],
  [errors.userInUse(), 400, 'M_USER_IN_USE'],
  [errors.missingToken(), 401, 'M_MISSING_TOKEN'],
  [errors.unauthorized('x'), 401, 'M_UNAUTHORIZED'],
  [errors.forbidden('x'), 403, 'M_FORBIDDEN'],
  [errors.userDeactivated(), 403, 'M_USER_DEACTIVATED'],
  [errors.notFound(), 404, 'M_NOT_FOUND'],
  [errors.unrecognized(), 404, 'M_UNRECOGNIZED'],
  [errors.unrecognized(405), 405, 'M_UNRECOGNIZED'],
  [errors.tooLarge('x'), 413, 'M_TOO_LARGE'],
  [errors.limitExceeded(1), 429, 'M_LIMIT_EXCEEDED'],
  [errors.unknownError(), 500, 'M_UNKNOWN'],
])('%s has the status and the code of the specification', (error, status, errcode) => {
  expect(error).toBeInstanceOf(errors.MatrixError)
  expect(error.status).toBe(status)
  expect(error.body()).toMatchObject({ errcode, error: error.message })
})

test('an error carries the fields that its code adds, and none can replace the code', () => {
  expect(errors.limitExceeded(1500.2).body()).toMatchObject({ retry_after_ms: 1501 })
  expect(errors.unknownToken('Expired', true).body()).toEqual({ errcode: 'M_UNKNOWN_TOKEN', error: 'Expired', soft_logout: true })
  expect(errors.unknownToken().body()).not.toHaveProperty('soft_logout')
  expect(errors.incompatibleRoomVersion('99').body()).toMatchObject({ errcode: 'M_INCOMPATIBLE_ROOM_VERSION', room_version: '99' })
  expect(errors.userLocked().body()).toMatchObject({ soft_logout: true })
  expect(errors.resourceLimitExceeded('full', 'mailto:a@b').body()).toMatchObject({ admin_contact: 'mailto:a@b' })
  expect(new errors.MatrixError(400, 'M_X', { message: 'm', fields: { errcode: 'other', error: 'other' } }).body()).toEqual({
    errcode: 'M_X',
    error: 'm',
  })
})
