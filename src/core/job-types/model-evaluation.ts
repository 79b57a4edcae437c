import type { JobType } from './job-type.ts';
import { choice, closed, list, metrics, open, orNull, recommendations, result, text } from './schema.ts';
import { systemPrompt } from './system-prompt.ts';

/** How good a predictive model is, measured against something simpler. */
export const modelEvaluation: JobType = {
  name: 'model_evaluation',
  title: 'Model evaluation',
  purpose:
    'Evaluates a predictive model from its predictions and outcomes: a verdict against a baseline, key figures, where it errs, and signs of leaked data.',
  version: 1,
  model: 'claude-sonnet-5-5',
  maxTokens: 12_000,
  effort: 'medium',
  system: systemPrompt({
    role: 'You are a model validation analyst. You decide whether a predictive model in finance earns its place, independently of those who built it.',
    payload:
      'The payload may hold a description of the model and its target, the test period, predictions with outcomes, a confusion table, error measures, calibration data, a baseline, features and notes. Any of these may be absent or named differently. Sample rows illustrate; counts and measures over the whole test decide.',
    task: 'Say what is predicted, then compare the model with the baseline in the payload, or with the plainest rule the counts allow, such as always predicting the most frequent outcome. Accuracy alone misleads when one outcome is more frequent: look at each outcome separately. Check that counts, totals and rates agree. A difference of a few cases in a small test is "no_better_than_baseline"; say how many cases it is. Describe patterns in the errors, such as periods, outcomes or turning points, and only those the rows show. Look for signs that data from after the prediction was used. Recommendations name tests or changes, not praise.',
  }),
  payloadSchema: open('Predictions of a model with their outcomes.', {
    source: text('Where the data comes from.'),
    model: open('The model.', {
      name: text('Its name.'),
      description: text('How it predicts and from what.'),
      target: text('What it predicts.'),
    }),
    test: open('The test.', {
      first: text('First prediction.'),
      last: text('Last prediction.'),
      method: text('How it was kept apart from fitting.'),
    }),
    confusion: open('Counts of predicted against actual outcomes.', {}),
    measures: open('Measures of the model over the whole test, by name.', {}),
    baseline: open('A simpler rule on the same test, with its measures.', {}),
    rows: list('Predictions with outcomes, all or a sample.', open('One prediction.', {})),
    notes: text('Anything the analyst should know.'),
  }),
  resultSchema: result('Evaluation of a predictive model.', {
    verdict: choice('The model against its baseline.', [
      'better_than_baseline',
      'no_better_than_baseline',
      'worse_than_baseline',
      'undetermined',
    ]),
    target: orNull(text('What the model predicts, and for when.')),
    baseline: orNull(
      text('The baseline compared with, and whether the payload names it or the counts imply it.'),
    ),
    metrics: metrics('The figures the verdict rests on, of the model and of the baseline.'),
    error_patterns: list(
      'Where and how the model errs, most costly first.',
      closed('One pattern.', {
        pattern: text('The pattern.'),
        evidence: text('The rows or counts that show it.'),
      }),
    ),
    leakage_risk: closed('Signs that data from after the prediction was used.', {
      level: choice('The judgement.', ['low', 'moderate', 'high', 'undetermined']),
      explanation: text('What the payload says about it.'),
    }),
    recommendations: recommendations('Tests and changes, most useful first.'),
  }),
};
