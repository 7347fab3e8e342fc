// Does with one official library what a program of its users does, and prints
// what came of it as JSON, a line for each router: client.mjs LIBRARY URL …
import { Ollama } from "ollama";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";

const [library, ...urls] = process.argv.slice(2);
let url, out;
const schema = { type: "object", properties: { command: { type: "string" } } };
const messages = [{ role: "user", content: "hi" }];
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const address = "data:image/png;base64," + picture;

async function gathered(stream, text) {
  let all = "", parts = 0;
  for await (const part of stream) {
    const piece = text(part);
    if (piece) { all += piece; parts++; }
  }
  return { text: all, parts };
}

const libraries = {
  async ollama() {
    const o = new Ollama({ host: url });
    const tools = [{ type: "function", function: { name: "exec", description: "run", parameters: schema } }];
    out.whole = (await o.chat({ model: "tiny", messages })).message.content;
    out.stream = await gathered(await o.chat({ model: "tiny", messages, stream: true }), (p) => p.message.content);
    const called = (await o.chat({ model: "rogue", messages, tools })).message.tool_calls[0].function;
    out.tool = { name: called.name, arguments: called.arguments };
    out.seen = (await o.chat({ model: "tiny", messages: [{ ...messages[0], images: [picture] }] })).message.content;
    const told = (e) => [e.status_code, e.message];
    await vectors(async () => [...(await o.embed({ model: "tiny", input: ["a", "b"] })).embeddings, (await o.embeddings({ model: "tiny", prompt: "a" })).embedding], told);
    out.generated = (await o.generate({ model: "tiny", prompt: "hi" })).response;
    out.models = (await o.list()).models.map((m) => m.name);
    out.shown = (await o.show({ model: "tiny" })).capabilities;
    out.running = (await o.ps()).models.length >= 0;
    out.version = (await o.version()).version;
    await failing(() => o.chat({ model: "gone", messages }), (e) => [e.status_code, e.message]);
  },
  async openai() {
    const o = new OpenAI({ baseURL: url + "/v1", apiKey: "the-agents-own" });
    const tools = [{ type: "function", function: { name: "exec", description: "run", parameters: schema } }];
    const stream_options = { include_usage: true };
    out.whole = (await o.chat.completions.create({ model: "tiny", messages })).choices[0].message.content;
    out.stream = await gathered(await o.chat.completions.create({ model: "tiny", messages, stream: true, stream_options }), (p) => p.choices[0]?.delta.content);
    const called = (await o.chat.completions.create({ model: "rogue", messages, tools })).choices[0].message.tool_calls[0].function;
    out.tool = { name: called.name, arguments: JSON.parse(called.arguments) };
    const content = [{ type: "text", text: "hi" }, { type: "image_url", image_url: { url: address } }];
    out.seen = (await o.chat.completions.create({ model: "tiny", messages: [{ role: "user", content }] })).choices[0].message.content;
    await vectors(async () => (await o.embeddings.create({ model: "tiny", input: ["a", "b"] })).data.map((d) => d.embedding), (e) => [e.status, e.message]);
    out.models = (await o.models.list()).data.map((m) => m.id);
    await failing(() => o.chat.completions.create({ model: "gone", messages }), (e) => [e.status, e.message]);
  },
  async responses() {
    const o = new OpenAI({ baseURL: url + "/v1", apiKey: "the-agents-own" });
    const tools = [{ type: "function", name: "exec", description: "run", parameters: schema, strict: false }];
    out.whole = (await o.responses.create({ model: "tiny", input: "hi" })).output_text;
    const stream = o.responses.stream({ model: "tiny", input: "hi" });
    out.stream = await gathered(stream, (e) => e.type === "response.output_text.delta" && e.delta);
    const final = await stream.finalResponse();
    if (final.output_text !== out.stream.text || !(final.usage.output_tokens > 0)) throw new Error(JSON.stringify(final));
    const called = (await o.responses.stream({ model: "rogue", input: "hi", tools }).finalResponse()).output.find((i) => i.type === "function_call");
    out.tool = { name: called.name, arguments: JSON.parse(called.arguments) };
    const content = [{ type: "input_text", text: "hi" }, { type: "input_image", image_url: address, detail: "auto" }];
    out.seen = (await o.responses.create({ model: "tiny", input: [{ role: "user", content }] })).output_text;
    await failing(() => o.responses.create({ model: "gone", input: "hi" }), (e) => [e.status, e.message]);
  },
  async anthropic() {
    const a = new Anthropic({ baseURL: url, apiKey: "the-agents-own" });
    const tools = [{ name: "exec", description: "run", input_schema: schema }];
    out.whole = (await a.messages.create({ model: "tiny", max_tokens: 100, messages })).content[0].text;
    out.stream = await gathered(await a.messages.create({ model: "tiny", max_tokens: 100, messages, stream: true }), (e) => e.type === "content_block_delta" && e.delta.text);
    const called = (await a.messages.stream({ model: "rogue", max_tokens: 100, messages, tools }).finalMessage()).content.find((b) => b.type === "tool_use");
    out.tool = { name: called.name, arguments: called.input };
    const content = [{ type: "image", source: { type: "base64", media_type: "image/png", data: picture } }, { type: "text", text: "hi" }];
    out.seen = (await a.messages.create({ model: "tiny", max_tokens: 100, messages: [{ role: "user", content }] })).content[0].text;
    out.models = (await a.models.list()).data.map((m) => m.id);
    out.count = (await a.messages.countTokens({ model: "tiny", messages })).input_tokens;
    await failing(() => a.messages.create({ model: "gone", max_tokens: 100, messages }), (e) => [e.status, e.message]);
  },
  async gemini() {
    const g = new GoogleGenAI({ apiKey: "the-agents-own", httpOptions: { baseUrl: url } });
    const tools = [{ functionDeclarations: [{ name: "exec", description: "run", parametersJsonSchema: schema }] }];
    out.whole = (await g.models.generateContent({ model: "tiny", contents: "hi" })).text;
    out.stream = await gathered(await g.models.generateContentStream({ model: "tiny", contents: "hi" }), (p) => p.text);
    const called = (await g.models.generateContent({ model: "rogue", contents: "hi", config: { tools } })).functionCalls[0];
    out.tool = { name: called.name, arguments: called.args };
    const parts = [{ text: "hi" }, { inlineData: { mimeType: "image/png", data: picture } }];
    out.seen = (await g.models.generateContent({ model: "tiny", contents: [{ role: "user", parts }] })).text;
    out.models = [];
    for await (const m of await g.models.list()) out.models.push(m.name.replace("models/", ""));
    out.count = (await g.models.countTokens({ model: "tiny", contents: "hi" })).totalTokens;
    await failing(() => g.models.generateContent({ model: "gone", contents: "hi" }), (e) => [e.status, e.message]);
  },
};

// vectors are how many numbers there are in each, or why there are none.
async function vectors(call, told) {
  try {
    out.vectors = (await call()).map((v) => v.length);
  } catch (e) {
    const [status, message] = told(e);
    out.unfit = { status, message };
  }
}

async function failing(call, told) {
  try {
    await call();
  } catch (e) {
    const [status, message] = told(e);
    out.refused = { status, message };
  }
}

for (url of urls) {
  out = {};
  await libraries[library]();
  console.log(JSON.stringify(out));
}
