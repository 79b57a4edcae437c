import type { Actor, Core } from '../core/index.ts';

/** The token of an Authorization header: the scheme `Bearer` in any case, blanks around the token ignored. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^bearer +(\S.*)$/i.exec(header?.trim() ?? '');
  return match?.[1]?.trim();
}

/** Who sends a request; undefined without a valid key. */
export async function authenticate(core: Core, header: string | undefined): Promise<Actor | undefined> {
  const token = bearerToken(header);
  return token ? core.authenticate(token) : undefined;
}
