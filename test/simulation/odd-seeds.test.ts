import { testHalfOfSeeds } from './seeds.ts'

testHalfOfSeeds(0)
