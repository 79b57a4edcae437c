import type { JobType } from './job-type.ts';
import { choice, closed, list, number, open, orNull, result, text } from './schema.ts';
import { systemPrompt } from './system-prompt.ts';

/** What a portfolio holds, what moved it, and what deserves attention. */
export const portfolioSummary: JobType = {
  name: 'portfolio_summary',
  title: 'Portfolio summary',
  purpose:
    'Summarises a portfolio: value, weights, what added and what cost performance, how concentrated it is, and what to watch.',
  version: 1,
  model: 'claude-sonnet-5-5',
  maxTokens: 12_000,
  effort: 'medium',
  system: systemPrompt({
    role: 'You are a portfolio analyst. You write the periodic summary that a portfolio manager reads before a client meeting.',
    payload:
      'The payload may hold positions (name or symbol, units, cost, price, value, weight), price or value histories, cash, a benchmark, a currency, a period and notes. Any of these may be absent or named differently; read the names as a careful colleague would.',
    task: 'Say what the portfolio is worth and how it is divided, which positions added to and which cost performance over the period given, how it did against the benchmark if there is one, and whether it leans on few positions. Judge concentration by weights, not by the number of names. If weights are not given but values are, calculate them. List every position once, largest first; where there are more than thirty, list the thirty largest and say so in data_gaps. Points to watch are facts in the payload that a manager should not miss, not general advice.',
  }),
  payloadSchema: open('A portfolio at one date, with history where there is one.', {
    source: text('Where the data comes from.'),
    as_of: text('Date or month of the latest figures.'),
    currency: text('Currency of prices and values.'),
    holdings: list(
      'The positions.',
      open('One position.', {
        symbol: text('Ticker or other short name.'),
        name: text('Full name.'),
        units: number('Units held.'),
        cost: number('What the position cost, in the currency.'),
        price: number('Latest price of one unit.'),
        market_value: number('Latest value of the position.'),
        weight_percent: number('Share of the portfolio value.'),
        prices: list('Price history, oldest first.', number('A price.')),
      }),
    ),
    benchmark: open('What to compare with.', {
      name: text('Name of the benchmark.'),
      prices: list('Its history over the same periods.', number('A level.')),
    }),
    notes: text('Anything the analyst should know.'),
  }),
  resultSchema: result('Summary of a portfolio.', {
    as_of: orNull(text('Date or period of the latest figures, as the payload writes it.')),
    currency: orNull(text('Currency named in the payload.')),
    total_value: orNull(number('Value of the whole portfolio in that currency.')),
    holdings: list(
      'The positions, largest first.',
      closed('One position.', {
        name: text('Name or symbol as in the payload.'),
        weight_percent: orNull(number('Share of total value, in percent.')),
        return_percent: orNull(number('Return over the period of the payload, in percent.')),
        comment: text('The one thing worth saying about this position.'),
      }),
    ),
    performance_drivers: list(
      'What moved the portfolio most, strongest first.',
      closed('One driver.', {
        name: text('Position or group of positions.'),
        effect: choice('Whether it added or cost.', ['added', 'cost']),
        evidence: text('The figures that show it.'),
      }),
    ),
    benchmark_comparison: orNull(text('How the portfolio did against the benchmark; null without one.')),
    concentration: closed('How far the portfolio depends on few positions.', {
      level: choice('The judgement.', ['low', 'moderate', 'high', 'undetermined']),
      explanation: text('The weights behind it.'),
    }),
    points_to_watch: list('Facts a manager should not miss, most important first.', text('One point.')),
  }),
};
