import type { JobType } from './job-type.ts';
import {
  choice,
  closed,
  integer,
  list,
  metrics,
  number,
  open,
  orNull,
  recommendations,
  result,
  text,
} from './schema.ts';
import { systemPrompt } from './system-prompt.ts';

/** What a list of trades says about the trading behind it. */
export const tradingAnalytics: JobType = {
  name: 'trading_analytics',
  title: 'Trading analytics',
  purpose:
    'Analyses a list of trades: win rate, gains and losses, the trades that decide the result, and the habits that help or hurt.',
  version: 1,
  model: 'claude-sonnet-5-5',
  maxTokens: 12_000,
  effort: 'medium',
  system: systemPrompt({
    role: 'You are a trading performance analyst. You read a trade list and tell the manager of the book what made and what lost money.',
    payload:
      'The payload may hold trades (instrument, side, entry and exit with times and prices, size, costs, profit or return, still open or closed), totals, the rule or trader behind them, a period and notes. Any of these may be absent or named differently.',
    task: 'Count closed and open trades apart; win rate and average gain and loss are about closed trades only. If totals are given, use them; otherwise calculate from the rows, and where rows and totals disagree say so in data_gaps. Tell whether the result comes from many trades or from a few, which instruments, sides, holding times or periods help and which hurt, and how the average win compares with the average loss. A pattern needs at least three trades; with fewer it is an observation in the summary at most. Notable trades are those without which the result would look different. Mention costs only if they are given, and their absence as a gap. Recommendations follow from a pattern.',
  }),
  payloadSchema: open('Trades and what is known about them.', {
    source: text('Where the data comes from.'),
    rule: text('The rule or trader behind the trades.'),
    period: open('What the list covers.', { first: text('First period.'), last: text('Last period.') }),
    currency: text('Currency of prices and profits.'),
    totals: open('Figures over all trades, by name.', {}),
    trades: list(
      'The trades, oldest first.',
      open('One trade.', {
        symbol: text('Instrument.'),
        side: text('"long" or "short".'),
        entry: text('When it was opened.'),
        entry_price: number('Price at entry.'),
        exit: text('When it was closed; absent while open.'),
        exit_price: number('Price at exit, or the last price while open.'),
        units: number('Units traded.'),
        profit: number('Profit or loss in the currency.'),
        return_percent: number('Profit or loss in percent of the entry value.'),
        status: text('"closed" or "open".'),
      }),
    ),
    notes: text('Anything the analyst should know.'),
  }),
  resultSchema: result('Analysis of a list of trades.', {
    performance: closed('The result in figures, about closed trades where not said otherwise.', {
      closed_trades: orNull(integer('Number of closed trades.')),
      open_trades: orNull(integer('Number of trades still open.')),
      win_rate_percent: orNull(number('Share of closed trades with a profit, in percent.')),
      average_win_percent: orNull(number('Mean return of the winning trades, in percent.')),
      average_loss_percent: orNull(number('Mean return of the losing trades, in percent; negative.')),
      total_profit: orNull(number('Sum of profits and losses, in the currency of the payload.')),
    }),
    metrics: metrics('Further figures the analysis rests on.'),
    patterns: list(
      'What repeats, strongest first.',
      closed('One pattern.', {
        pattern: text('The pattern.'),
        effect: choice('What it does to the result.', ['helps', 'hurts', 'unclear']),
        evidence: text('The trades or figures that show it.'),
      }),
    ),
    notable_trades: list(
      'The trades that decide the result.',
      closed('One trade.', {
        trade: text('Instrument, entry and exit as in the payload.'),
        why: text('What makes it decisive, with its figures.'),
      }),
    ),
    recommendations: recommendations('What to change or to examine, most useful first.'),
  }),
};
