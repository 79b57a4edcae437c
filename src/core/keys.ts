import { createHash, randomBytes } from 'node:crypto';
import { scopes, type Actor, type Context, type Scope } from './context.ts';
import { ValidationError } from './errors.ts';
import { newId, publicId } from './ids.ts';
import { sql, timestamp, type Database } from './sql.ts';

/** The tenant that a first start makes. */
const DEFAULT_TENANT = 'default';
/** The name under which the key from the environment is kept, so that a changed one replaces it. */
const ENVIRONMENT_KEY = 'OFFPEAK_OPERATOR_KEY';

/** The fewest characters of an operator key that the operator chose. */
export const MIN_KEY_LENGTH = 32;

/** A fast hash is right for keys of 256 random bits: there is nothing to guess, so nothing to slow down. */
function hashKey(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(token).digest());
}

/** A new key: `offp_<id>_<secret>`, its secret 256 random bits. */
export function newToken(): string {
  return `offp_${publicId('key', newId()).slice('key_'.length)}_${randomBytes(32).toString('base64url')}`;
}

/** Who a bearer token belongs to; undefined unless it is a known key, neither expired nor revoked. */
export async function authenticate(context: Pick<Context, 'db'>, token: string): Promise<Actor | undefined> {
  const now = new Date();
  const key = await context.db.apiKey.findUnique({ where: { hash: hashKey(token) } });
  if (!key || key.revokedAt || (key.expiresAt && key.expiresAt <= now)) return undefined;
  return { tenantId: key.tenantId, keyId: key.id, scopes: key.scopes.filter(isScope) };
}

function isScope(value: string): value is Scope {
  return (scopes as readonly string[]).includes(value);
}

export interface NewKey {
  name: string;
  tenant: string;
  scopes: readonly Scope[];
  expiresAt?: Date | undefined;
}

/** Stores a key, and its tenant if it is new. The token is never stored: who loses it makes another key. */
export async function storeKey(db: Database, token: string, key: NewKey): Promise<void> {
  if (token.length < MIN_KEY_LENGTH) {
    throw new ValidationError(
      'key',
      `An operator key needs at least ${MIN_KEY_LENGTH} characters; this one has ${token.length}.`,
    );
  }
  // Not Prisma's upsert, which looks first and inserts then: of several processes that start at once, all but one fail.
  await db.$executeRaw`INSERT INTO tenant (id, name) VALUES (${newId()}::uuid, ${key.tenant}) ON CONFLICT (name) DO NOTHING`;
  await db.$executeRaw(sql`
    INSERT INTO api_key (id, tenant_id, name, hash, scopes, expires_at)
    SELECT ${newId()}::uuid, tenant.id, ${key.name}, ${hashKey(token)}, ${[...key.scopes]}::text[],
           ${key.expiresAt ? timestamp(key.expiresAt) : sql`NULL`}
      FROM tenant WHERE tenant.name = ${key.tenant}
    ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL`);
}

/** Makes the operator's key from the environment valid, and an earlier one of the same origin invalid. */
export async function storeEnvironmentKey(db: Database, token: string): Promise<void> {
  await storeKey(db, token, { name: ENVIRONMENT_KEY, tenant: DEFAULT_TENANT, scopes });
  await db.apiKey.updateMany({
    where: { name: ENVIRONMENT_KEY, hash: { not: hashKey(token) }, revokedAt: null },
    data: { revokedAt: new Date() },
  });
}

/** Stores the first key of an empty installation, with every scope. */
export async function storeFirstKey(db: Database, token: string): Promise<void> {
  await storeKey(db, token, { name: 'first operator key', tenant: DEFAULT_TENANT, scopes });
}

/** Whether anybody can get in. */
export async function hasKeys(db: Database): Promise<boolean> {
  return (await db.apiKey.count({ where: { revokedAt: null }, take: 1 })) > 0;
}
