import { expose } from 'comlink'
import { createHomeserver } from '../src/homeserver.ts'
import { HomeserverHost } from './homeserver-host.ts'

expose(new HomeserverHost(createHomeserver))
