import type { JobType } from './job-type.ts';
import { choice, closed, list, metrics, number, open, result, text } from './schema.ts';
import { systemPrompt } from './system-prompt.ts';

/** Whether a backtest supports the strategy it tests. */
export const strategyBacktest: JobType = {
  name: 'strategy_backtest',
  title: 'Strategy backtest review',
  purpose:
    'Reviews the backtest of a trading strategy: a verdict, key figures, strengths and weaknesses, and how likely the result is an accident of fitting.',
  version: 1,
  model: 'claude-sonnet-5-5',
  maxTokens: 16_000,
  effort: 'high',
  system: systemPrompt({
    role: 'You are a quantitative researcher who reviews backtests before money is put behind them. You are fair and hard to impress.',
    payload:
      'The payload may hold the rules of a strategy, its parameters and how they were chosen, the data and period, an equity curve, trades, performance figures, costs, a benchmark and notes. Any of these may be absent or named differently. You review results that were already computed; you do not run the strategy.',
    task: 'Say whether the evidence supports the strategy. Compare with the benchmark on return and on drawdown, look at how many independent trades carry the result, whether one period makes most of the gain, and whether costs, slippage, taxes and the return on idle cash are counted. Look for use of data not known at the time, for survivors only, for parameters tuned on the tested period, and for the absence of a test outside it. Check that the figures agree with each other; a contradiction belongs in weaknesses. A handful of trades or a single market cycle makes a verdict at best "inconclusive". Next steps are tests that could change the verdict.',
  }),
  payloadSchema: open('A strategy and the result of its backtest.', {
    source: text('Where the data comes from.'),
    strategy: open('The strategy.', {
      name: text('Its name.'),
      rule: text('When it buys and sells.'),
      parameters: open('Its parameters by name.', {}),
      parameter_choice: text('How the parameters were chosen.'),
      assumptions: list('What the backtest assumes, such as costs and cash.', text('One assumption.')),
    }),
    period: open('What was tested.', { first: text('First period.'), last: text('Last period.') }),
    performance: open('Figures of the strategy and of its benchmark, by name.', {}),
    equity_curve: open('Value over time.', {
      months: text('Which periods the values belong to.'),
      strategy: list('The strategy, oldest first.', number('A value.')),
      benchmark: list('The benchmark over the same periods.', number('A value.')),
    }),
    trades: list('The trades.', open('One trade.', {})),
    notes: text('Anything the reviewer should know.'),
  }),
  resultSchema: result('Review of a backtest.', {
    verdict: choice('What the evidence says about the strategy.', [
      'promising',
      'inconclusive',
      'unconvincing',
      'undetermined',
    ]),
    verdict_reason: text('The one or two facts that decide the verdict.'),
    metrics: metrics('The figures the review rests on, of the strategy and of the benchmark.'),
    strengths: list('What speaks for the strategy, with figures.', text('One strength.')),
    weaknesses: list('What speaks against it or is not shown, with figures.', text('One weakness.')),
    overfitting_risk: closed('How likely the result is an accident of fitting.', {
      level: choice('The judgement.', ['low', 'moderate', 'high', 'undetermined']),
      explanation: text('Trades, parameters, periods and tests behind it.'),
    }),
    next_steps: list('Tests that could change the verdict, most telling first.', text('One test.')),
  }),
};
