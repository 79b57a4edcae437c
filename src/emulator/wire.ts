/** Shapes of the Message Batches API as they travel over HTTP. Nothing in here is ours to change. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type ProcessingStatus = 'in_progress' | 'canceling' | 'ended';

export interface RequestCounts {
  processing: number;
  succeeded: number;
  errored: number;
  canceled: number;
  expired: number;
}

/** All ten keys are always present; what is not known yet is null. */
export interface MessageBatch {
  id: string;
  type: 'message_batch';
  processing_status: ProcessingStatus;
  request_counts: RequestCounts;
  created_at: string;
  expires_at: string;
  ended_at: string | null;
  cancel_initiated_at: string | null;
  archived_at: string | null;
  results_url: string | null;
}

export interface ErrorBody {
  type: 'error';
  error: { type: string; message: string; details?: JsonObject };
  request_id: string | null;
}

export type StopReason = 'end_turn' | 'max_tokens' | 'tool_use' | 'pause_turn' | 'refusal';

export type ContentBlock =
  | { type: 'text'; text: string; citations: null }
  | { type: 'tool_use'; id: string; name: string; input: Json };

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  cache_creation: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number };
  output_tokens_details: { thinking_tokens: number };
  server_tool_use: null;
  service_tier: 'batch';
  inference_geo: string | null;
  speed: 'standard';
}

export interface Message {
  id: string;
  type: 'message';
  role: 'assistant';
  model: string;
  content: ContentBlock[];
  stop_reason: StopReason;
  stop_sequence: null;
  stop_details: { type: 'refusal'; category: string; explanation: string } | null;
  container: null;
  diagnostics: null;
  usage: Usage;
}

export type Result =
  | { type: 'succeeded'; message: Message }
  | { type: 'errored'; error: ErrorBody }
  | { type: 'canceled' }
  | { type: 'expired' };

export interface ResultLine {
  custom_id: string;
  result: Result;
}

/** The value if it is a string, otherwise nothing. */
export function asText(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** True for a JSON object, false for arrays, null and scalars. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
