import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StorageLost } from '../../src/ports/storage.ts'
import { Fence } from '../../worker/fence.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** The clock goes on while nothing runs: what a frozen tab or a sleeping machine is to the worker. */
function freeze(ms: number): void {
  vi.setSystemTime(Date.now() + ms)
}

describe('the fence', () => {
  it('lets everything pass, without asking storage, while the clock runs evenly', async () => {
    const isOurs = vi.fn(async () => true)
    const fence = new Fence(isOurs)
    for (let second = 0; second < 60; second++) {
      await vi.advanceTimersByTimeAsync(1000)
      await fence.pass()
    }
    expect(isOurs).not.toHaveBeenCalled()
  })

  it('asks storage after a jump of the clock, and goes on if the leadership is still its own', async () => {
    const isOurs = vi.fn(async () => true)
    const fence = new Fence(isOurs)
    freeze(20_000)
    await fence.pass()
    await fence.pass()
    expect(isOurs).toHaveBeenCalledTimes(1)
  })

  it('lets nothing pass any more after a jump during which another took over', async () => {
    const fence = new Fence(async () => false)
    freeze(20_000)
    await expect(fence.pass()).rejects.toThrow(StorageLost)
    await expect(fence.pass()).rejects.toThrow(StorageLost)
  })

  it('notices the jump also when its own timer runs first', async () => {
    const fence = new Fence(async () => false)
    freeze(20_000)
    await vi.advanceTimersByTimeAsync(600)
    await expect(fence.pass()).rejects.toThrow(StorageLost)
  })

  it('holds everybody back until storage has answered', async () => {
    const answer = Promise.withResolvers<boolean>()
    const fence = new Fence(() => answer.promise)
    freeze(20_000)
    let passed = 0
    const waiting = [fence.pass(), fence.pass()].map((pass) => pass.then(() => passed++))
    await vi.advanceTimersByTimeAsync(5000)
    expect(passed).toBe(0)
    answer.resolve(true)
    await Promise.all(waiting)
    expect(passed).toBe(2)
  })

  it('takes a storage that fails for one that is lost', async () => {
    const fence = new Fence(() => Promise.reject(new Error('gone')))
    freeze(20_000)
    await expect(fence.pass()).rejects.toThrow(StorageLost)
  })

  it('stays closed with the reason it was closed with', async () => {
    const fence = new Fence(async () => true)
    fence.close(new StorageLost('the storage was closed'))
    await expect(fence.pass()).rejects.toThrow('the storage was closed')
  })
})
