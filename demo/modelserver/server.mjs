// A model server for machines without Ollama: real inference by llama.cpp, as
// far of Ollama's API as an agent needs. Started by main.go beside this file.
//
//   node server.mjs MODELS.json     [{"name": "tiny", "file": "…/tiny.gguf", "turns": 1}]
//
// Listens on a loopback port (PORT, 0 for a free one) and prints its URL.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const library = join(process.env.LLAMA_MODULES, "node-llama-cpp", "dist", "index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(library));

const apiVersion = "0.17.4"; // of Ollama, whose API this speaks
const maxBody = 32 << 20;
const maxTokens = 512;
const created = new Date().toISOString();

const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error });
const models = new Map();
for (const { name, file, turns } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const model = await llama.loadModel({ modelPath: file, useMmap: true });
  const context = await model.createContext({ contextSize: 4096, threads: 1 });
  models.set(name, { name, turns, model, sequence: context.getSequence(), idle: Promise.resolve() });
}

// The prompt: a letter for each message of the user's, then the marker of the
// turn that is due. It is what the template in test/model/tiny says.
function promptFor(entry, messages, tools) {
  const users = messages.filter((m) => m.role === "user").length;
  const answers = messages.filter((m) => m.role === "tool").length;
  const last = entry.turns - 1;
  const turn = tools?.length ? Math.min(answers, last) : last;
  return "U".repeat(Math.min(users, 1024)) + `<|turn${turn}|>`;
}

// Runs the model, one request of it at a time, giving text as it comes.
async function infer(entry, prompt, gone, onText) {
  const before = entry.idle;
  let free;
  entry.idle = new Promise((resolve) => (free = resolve));
  await before;
  const began = performance.now();
  try {
    await entry.sequence.clearHistory();
    const { model } = entry;
    const input = [model.tokens.bos, ...model.tokenize(prompt, true)];
    const output = [];
    let text = "";
    for await (const token of entry.sequence.evaluate(input, { temperature: 0 })) {
      if (gone.aborted || model.isEogToken(token) || output.push(token) >= maxTokens) break;
      const all = model.detokenize(output);
      onText(all.slice(text.length));
      text = all;
    }
    return { text, tokensIn: input.length, tokensOut: output.length + 1, took: performance.now() - began };
  } finally {
    free();
  }
}

// A call of a tool is what the model wrote, if that is one.
function toolCall(text) {
  try {
    const { name, parameters } = JSON.parse(text);
    if (typeof name !== "string" || typeof parameters !== "object") return null;
    return { id: `call_${Date.now().toString(36)}`, function: { index: 0, name, arguments: parameters } };
  } catch {
    return null;
  }
}

const figures = (r) => ({
  done: true, done_reason: "stop", total_duration: Math.round(r.took * 1e6), load_duration: 0,
  prompt_eval_count: r.tokensIn, eval_count: r.tokensOut, eval_duration: Math.round(r.took * 1e6),
});

// Answers /api/chat and /api/generate. A text that could become a call of a
// tool is held back until it is whole.
async function answer(request, response, body, piece) {
  const entry = find(body.model);
  const messages = body.messages ?? [{ role: "user", content: body.prompt ?? "" }];
  const tools = body.messages ? body.tools : undefined;
  const stream = body.stream !== false;
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const line = (fields) => JSON.stringify({ model: body.model, created_at: new Date().toISOString(), ...fields }) + "\n";
  if (stream) response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  let held = "";
  const onText = (part) => {
    held += part;
    if (!stream || (tools?.length && held.trimStart().startsWith("{"))) return;
    response.write(line({ ...piece(held), done: false }));
    held = "";
  };
  const result = await infer(entry, promptFor(entry, messages, tools), gone.signal, onText);
  const call = tools?.length ? toolCall(result.text) : null;
  if (!stream) {
    const whole = call ? { message: { role: "assistant", content: "", tool_calls: [call] } } : piece(result.text);
    return json(response, 200, { model: body.model, created_at: new Date().toISOString(), ...whole, ...figures(result) });
  }
  if (call) response.write(line({ message: { role: "assistant", content: "", tool_calls: [call] }, done: false }));
  else if (held) response.write(line({ ...piece(held), done: false }));
  response.end(line({ ...piece(""), ...figures(result) }));
}

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function find(name) {
  const entry = models.get(String(name ?? "").replace(/:latest$/, ""));
  if (!entry) throw new Refusal(404, `model '${name}' not found`);
  return entry;
}

const details = { parent_model: "", format: "gguf", family: "llama", families: ["llama"], parameter_size: "1M", quantization_level: "F32" };

const listed = () => ({
  models: [...models.keys()].map((name) => ({
    name: `${name}:latest`, model: `${name}:latest`, modified_at: created, size: 0, digest: "", details,
  })),
});

const shown = (body) => {
  const entry = find(body.model ?? body.name);
  return {
    modelfile: "", parameters: "", template: "", details, modified_at: created,
    model_info: { "general.architecture": "llama", "llama.context_length": entry.model.trainContextSize },
    capabilities: ["completion", "tools"],
  };
};

const routes = {
  "GET /": (q, r) => r.end("A demo's model server is running: llama.cpp, with Ollama's API"),
  "GET /api/version": (q, r) => json(r, 200, { version: apiVersion }),
  "GET /api/tags": (q, r) => json(r, 200, listed()),
  "GET /api/ps": (q, r) => json(r, 200, listed()),
  "POST /api/show": (q, r, body) => json(r, 200, shown(body)),
  "POST /api/chat": (q, r, body) => answer(q, r, body, (content) => ({ message: { role: "assistant", content } })),
  "POST /api/generate": (q, r, body) => answer(q, r, body, (response) => ({ response })),
};

function json(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    if ((size += part.length) > maxBody) throw new Refusal(413, "request body is too large");
    parts.push(part);
  }
  try {
    const body = JSON.parse(Buffer.concat(parts).toString() || "{}");
    if (body && typeof body === "object" && !Array.isArray(body)) return body;
  } catch {}
  throw new Refusal(400, "request body is not a JSON object");
}

const server = createServer(async (request, response) => {
  try {
    const path = request.url.split("?")[0];
    const route = routes[`${request.method === "HEAD" ? "GET" : request.method} ${path}`];
    if (!route) throw new Refusal(404, `this server has no ${request.method} ${path}`);
    await route(request, response, request.method === "POST" ? await read(request) : {});
  } catch (error) {
    if (response.headersSent) return response.end(JSON.stringify({ error: error.message }) + "\n");
    json(response, error.status ?? 500, { error: error.message });
  }
});

server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
