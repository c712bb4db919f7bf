/** Password hashing, apart because its cost is a choice of the platform (a fast one for tests). */
export interface PasswordHasher {
  /** A PHC string with its own salt and parameters. */
  hash(password: string): Promise<string>
  verify(password: string, phc: string): Promise<boolean>
}
