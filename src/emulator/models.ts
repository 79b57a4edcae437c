export interface Model {
  id: string;
  family: 'fable' | 'mythos' | 'opus' | 'sonnet' | 'haiku';
  /** Generation as a number, e.g. 4.6 or 5.1. */
  generation: number;
  maxOutputTokens: number;
  /** Largest output under the beta `output-300k-2026-03-24`; same as maxOutputTokens where it does not apply. */
  maxExtendedTokens: number;
  contextTokens: number;
}

const IDS = [
  'claude-fable-5-2',
  'claude-mythos-5-2',
  'claude-haiku-5-5',
  'claude-sonnet-5-5',
  'claude-fable-5-1',
  'claude-opus-5-5',
  'claude-mythos-5-1',
  'claude-sonnet-5',
  'claude-fable-5',
  'claude-mythos-5',
  'claude-opus-5',
  'claude-opus-4-8',
  'claude-opus-4-7',
  'claude-opus-4-6',
  'claude-sonnet-4-6',
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-opus-4-5',
  'claude-opus-4-5-20251101',
  'claude-sonnet-4-5',
  'claude-sonnet-4-5-20250929',
] as const;

function describe(id: string): Model {
  const [, family, major, minor] = id.split('-');
  const generation = Number(major) + (minor && minor.length === 1 ? Number(minor) / 10 : 0);
  const maxOutputTokens = generation < 4.6 ? 64_000 : 128_000;
  const extended = generation >= 4.6 && family !== 'fable' && family !== 'mythos';
  return {
    id,
    family: family as Model['family'],
    generation,
    maxOutputTokens,
    maxExtendedTokens: extended ? 300_000 : maxOutputTokens,
    contextTokens: generation < 4.6 ? 200_000 : 1_000_000,
  };
}

const MODELS = new Map<string, Model>(IDS.map((id) => [id, describe(id)]));

/** The model of that id, or undefined for an unknown or retired one. */
export function findModel(id: string): Model | undefined {
  return MODELS.get(id);
}
