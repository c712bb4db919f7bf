/** What is held by `(type, state_key)`: quicker to look up than a map by {@link stateKeyOf}, which makes a string of the two. */
export class StateTable<Value> {
  readonly #types = new Map<string, Map<string, Value>>()

  get(type: string, stateKey: string): Value | undefined {
    return this.#types.get(type)?.get(stateKey)
  }

  set(type: string, stateKey: string, value: Value): void {
    const ofType = this.#types.get(type)
    if (ofType === undefined) this.#types.set(type, new Map([[stateKey, value]]))
    else ofType.set(stateKey, value)
  }
}
