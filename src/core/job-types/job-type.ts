/** The kinds of AI jobs, under the names legacy REST clients know. */
export const jobTypeNames = [
  'portfolio_summary',
  'risk_report',
  'strategy_backtest',
  'sentiment_analysis',
  'model_evaluation',
  'trading_analytics',
] as const;

export type JobTypeName = (typeof jobTypeNames)[number];

export type Effort = 'low' | 'medium' | 'high';

type JsonTypeName = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';

/**
 * The part of JSON Schema that the provider's structured output accepts and this project uses. Keywords it
 * refuses (minimum, maxLength, pattern, …) are absent on purpose: one of them turns every request of the type
 * into an errored line, hours later, so it has to be a compile error here.
 */
export type JsonSchema = {
  readonly type?: JsonTypeName | readonly JsonTypeName[];
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
};

/** One kind of job: what is asked of the model, with which defaults, and what its answer looks like. */
export interface JobType {
  readonly name: JobTypeName;
  readonly title: string;
  /** One or two sentences, shown to API users. */
  readonly purpose: string;
  /** Rises with any change of the system prompt or the result schema; stored with every submission. */
  readonly version: number;
  readonly model: string;
  /** Covers thinking and answer together, so it is far above the length of the answer alone. */
  readonly maxTokens: number;
  readonly effort: Effort;
  readonly system: string;
  /** Recommended fields. Documentation, never a gate: any JSON object is accepted, `{}` included. */
  readonly payloadSchema: JsonSchema;
  /** What every answer must look like, within the provider's structured output subset. */
  readonly resultSchema: JsonSchema;
}
