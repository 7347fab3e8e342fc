// Command nemoclaw keeps an AI agent behind four walls. The name that it is
// called by chooses the door: openshell opens its own, any other name is
// nemoclaw's.
package main
