import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { jobTypeNames, type JobType, type JobTypeName } from './job-type.ts';
import { modelEvaluation } from './model-evaluation.ts';
import { portfolioSummary } from './portfolio-summary.ts';
import { riskReport } from './risk-report.ts';
import { sentimentAnalysis } from './sentiment-analysis.ts';
import { strategyBacktest } from './strategy-backtest.ts';
import { tradingAnalytics } from './trading-analytics.ts';

export { jobTypeNames, type Effort, type JobType, type JobTypeName, type JsonSchema } from './job-type.ts';
export {
  buildParams,
  requestBytes,
  serializeRequest,
  type BatchParams,
  type BuildOptions,
} from './request.ts';

/** Every job type by its name. */
export const jobTypes: Readonly<Record<JobTypeName, JobType>> = Object.freeze({
  portfolio_summary: portfolioSummary,
  risk_report: riskReport,
  strategy_backtest: strategyBacktest,
  sentiment_analysis: sentimentAnalysis,
  model_evaluation: modelEvaluation,
  trading_analytics: tradingAnalytics,
});

/** Whether a value from outside names a job type. */
export function isJobTypeName(value: unknown): value is JobTypeName {
  return (jobTypeNames as readonly unknown[]).includes(value);
}

export type ResultCheck = { ok: true } | { ok: false; problems: string };

/**
 * Whether a parsed answer has the form its job type promises. Structured output makes this the rule, but an
 * answer cut off or refused may break it, and so may one of an older version. `problems` names the places.
 */
export function validateResult(type: JobTypeName, value: unknown): ResultCheck {
  const validate = validatorOf(type);
  if (validate(value)) return { ok: true };
  return { ok: false, problems: describe(validate.errors ?? []) };
}

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const validators = new Map<JobTypeName, ValidateFunction>();

function validatorOf(type: JobTypeName): ValidateFunction {
  let validate = validators.get(type);
  if (!validate) {
    validate = ajv.compile(jobTypes[type].resultSchema);
    validators.set(type, validate);
  }
  return validate;
}

/** A list of a thousand wrong items says in ten problems all that a reader needs. */
const problemsShown = 10;

function describe(errors: readonly ErrorObject[]): string {
  const shown = errors.slice(0, problemsShown).map(problem);
  if (errors.length > problemsShown) shown.push(`and ${errors.length - problemsShown} more`);
  return shown.join('; ');
}

function problem(error: ErrorObject): string {
  const place = `result${error.instancePath}`;
  if (error.keyword === 'enum') return `${place} must be one of ${error.params['allowedValues'].join(', ')}`;
  if (error.keyword === 'additionalProperties') {
    return `${place} must not have the property '${error.params['additionalProperty']}'`;
  }
  return `${place} ${error.message ?? 'is invalid'}`;
}
