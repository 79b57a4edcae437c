import type { JobType } from './job-type.ts';
import { choice, closed, list, metrics, number, open, recommendations, result, text } from './schema.ts';
import { systemPrompt } from './system-prompt.ts';

/** How risky a portfolio is, why, and what could be done. */
export const riskReport: JobType = {
  name: 'risk_report',
  title: 'Risk report',
  purpose:
    'Judges the risk of a portfolio from its returns, weights and limits: an overall level, the drivers with their evidence, key figures, and recommendations.',
  version: 1,
  model: 'claude-sonnet-5-5',
  maxTokens: 16_000,
  effort: 'high',
  system: systemPrompt({
    role: 'You are a market risk analyst. You write the risk report that a portfolio manager and a risk committee act on.',
    payload:
      'The payload may hold return or price series for positions and a benchmark, weights, exposures, volatilities, correlations, value-at-risk figures, drawdowns, stress results, limits and notes. Any of these may be absent or named differently.',
    task: 'Give one overall level of risk, then the drivers behind it, strongest first, each with evidence quoted from the payload: the worst periods, how large the swings are, which positions fall together, how much weight sits in few names, which limits are broken or close. Say over which period and at which frequency figures are measured, and never annualise or scale them without saying so. A short or calm history is not evidence of low risk: name its limits. "undetermined" is the right overall level when there are neither returns nor exposures. Recommend actions only where a driver or a limit calls for them.',
  }),
  payloadSchema: open('Returns, weights and limits of a portfolio.', {
    source: text('Where the data comes from.'),
    as_of: text('Date or month of the latest figures.'),
    frequency: text('How often returns are measured, such as "monthly".'),
    months: list('The periods of the returns, oldest first.', text('A period.')),
    returns_percent: open('Returns by position, in percent, one for each period.', {}),
    benchmark: open('What to compare with.', {
      name: text('Name of the benchmark.'),
      returns_percent: list('Its returns over the same periods.', number('A return in percent.')),
    }),
    weights_percent: open('Share of each position in the portfolio, in percent.', {}),
    limits: open('Limits the portfolio must keep, by name.', {}),
    notes: text('Anything the analyst should know.'),
  }),
  resultSchema: result('Risk report on a portfolio.', {
    overall_risk: choice('Overall level of risk.', ['low', 'moderate', 'elevated', 'high', 'undetermined']),
    drivers: list(
      'What the risk comes from, strongest first.',
      closed('One driver.', {
        name: text('Short name of the driver.'),
        severity: choice('How much it matters.', ['low', 'moderate', 'elevated', 'high']),
        evidence: text('The payload figures that show it.'),
      }),
    ),
    metrics: metrics('The figures the report rests on.'),
    limit_checks: list(
      'The limits given in the payload, each checked. Empty if none are given.',
      closed('One limit.', {
        limit: text('The limit as the payload states it.'),
        status: choice('Whether it holds.', ['kept', 'close', 'broken', 'undetermined']),
        evidence: text('The figure compared with it.'),
      }),
    ),
    recommendations: recommendations('What to do about it, most urgent first.'),
  }),
};
