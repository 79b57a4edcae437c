import type { IncomingMessage } from 'node:http';
import { ApiError } from './errors.ts';
import { derivedId, derivedUuid } from './ids.ts';
import type { CreateContext } from './params.ts';

const VERSIONS = ['2023-06-01', '2026-10-21'];

export interface Account {
  workspace: string;
  organization: string;
}

/** Every key is accepted and has a workspace of its own. `x-api-key` wins over `Authorization` if both are sent. */
export function authenticate(req: IncomingMessage, instanceId: string): Account {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(req.headers.authorization ?? '')?.[1];
  const key = req.headers['x-api-key'] ?? bearer;
  if (typeof key !== 'string' || key === '') throw new ApiError(401, 'x-api-key header is required');
  return {
    workspace: derivedId('wrkspc', instanceId, key),
    organization: derivedUuid(instanceId, 'organization'),
  };
}

/** Reads `anthropic-version` and `anthropic-beta`. Refusing a missing version with 400 is a choice. */
export function readContext(req: IncomingMessage): CreateContext {
  const version = req.headers['anthropic-version'];
  if (typeof version !== 'string') throw new ApiError(400, 'anthropic-version: header is required');
  if (!VERSIONS.includes(version)) {
    throw new ApiError(400, `anthropic-version: "${version}" is not a valid version`);
  }
  const betas = [req.headers['anthropic-beta'] ?? []].flat().join(',').split(',');
  return { version, betas: betas.map((beta) => beta.trim()).filter((beta) => beta !== '') };
}
