import { routes, type Route } from './routes.ts';
import { answerSchemas } from './schemas.ts';
import type { Fields, Schema } from './validation/fields.ts';

/** Where the routes are mounted. */
export const PREFIX = '/api/v1/batch';

export interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: readonly string[];
  parameters?: readonly Parameter[];
  requestBody?: { required: true; content: { 'application/json': { schema: Schema } } };
  responses: Readonly<Record<string, object>>;
  security: readonly object[];
}

export interface Parameter {
  name: string;
  in: 'query' | 'header' | 'path';
  required: boolean;
  description: string;
  schema: Schema;
}

export interface OpenApiDocument {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string };
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  components: { schemas: Readonly<Record<string, Schema>>; securitySchemes: object };
}

/** The description of the legacy endpoints, made from the table of routes and the models that validate them. */
export const openApiDocument: OpenApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'Offpeak REST API',
    version: '1.0.0',
    description:
      'Runs AI jobs that can wait, at half price. This is the legacy face: what it does, GraphQL does too, and live.',
  },
  paths: Object.fromEntries(
    routes.map((route) => [PREFIX + route.path, { [route.method.toLowerCase()]: describe(route) }]),
  ),
  components: {
    schemas: { ...answerSchemas, ...requestSchemas() },
    securitySchemes: { HTTPBearer: { type: 'http', scheme: 'bearer' } },
  },
};

function describe(route: Route): Operation {
  const parameters = [
    ...pathParameters(route),
    ...listed(route.query, 'query'),
    ...listed(route.headers, 'header'),
  ];
  const name = (PREFIX + route.path).replaceAll(/\W/g, '_');
  const checked = parameters.length > 0 || route.body !== undefined;
  return {
    operationId: `${route.name}${name}_${route.method.toLowerCase()}`,
    summary: title(route.name),
    description: route.operator ? `${route.description} Needs an operator's key.` : route.description,
    tags: [route.operator ? 'internal' : 'batch'],
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: { required: true, content: json(route.body.name) },
    }),
    responses: {
      200: { description: 'Successful Response', content: json(route.answers) },
      401: { description: 'No valid token', content: json('Refusal') },
      403: { description: 'Not enough permissions', content: json('Refusal') },
      ...Object.fromEntries(
        Object.entries(route.refusals ?? {}).map(([status, description]) => [
          status,
          { description, content: json('Refusal') },
        ]),
      ),
      ...(checked && { 422: { description: 'Validation Error', content: json('HTTPValidationError') } }),
    },
    security: [{ HTTPBearer: [] }],
  };
}

function json(schema: string): { 'application/json': { schema: Schema } } {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } };
}

/** `flush_queue` → `Flush Queue`. */
function title(name: string): string {
  return name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');
}

function pathParameters({ path }: Route): Parameter[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: 'path',
    required: true,
    description: 'The id of a job, `job_…`.',
    schema: { type: 'string' },
  }));
}

function listed(fields: Fields = {}, place: 'query' | 'header'): Parameter[] {
  return Object.entries(fields).map(([name, field]) => ({
    name,
    in: place,
    required: field.default === undefined,
    description: field.description,
    schema: withDefault(field.type.schema, field.default),
  }));
}

function requestSchemas(): Record<string, Schema> {
  return Object.fromEntries(routes.flatMap(({ body }) => (body ? [[body.name, toSchema(body.fields)]] : [])));
}

function toSchema(fields: Fields): Schema {
  const entries = Object.entries(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, field]) => [
        name,
        { ...withDefault(field.type.schema, field.default), description: field.description },
      ]),
    ),
    required: entries.filter(([, field]) => field.default === undefined).map(([name]) => name),
  };
}

/** A null that stands for "left out" is no default worth telling. */
function withDefault(schema: Schema, value: unknown): Schema {
  return value === undefined || value === null ? schema : { ...schema, default: value };
}
