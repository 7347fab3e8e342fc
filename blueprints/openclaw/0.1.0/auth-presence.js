export * from "./dist/auth-presence.js";
