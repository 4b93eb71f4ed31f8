// Judges documents by a schema, both as JSON from stdin, as strictly as ajv can: `[true, false, ...]`.
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";

const { schema, documents } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv({ strict: true, strictTypes: true, strictTuples: true, strictRequired: true, allowUnionTypes: true });
const fits = ajv.compile(schema);
console.log(JSON.stringify(documents.map((document) => fits(document))));
