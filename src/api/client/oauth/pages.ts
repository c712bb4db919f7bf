import { answerAccount } from './account.ts'
import { answerAuthorise } from './authorise.ts'
import { answerLink } from './link.ts'

/** The pages for people, by the last part of their paths. */
export const pages = { authorize: answerAuthorise, link: answerLink, account: answerAccount }
