// Package broken knows the mistakes that nodes can be built with on purpose, each with the shortest
// schedule that the general judge must reject. A harness that lets one pass proves nothing by
// passing a good build.
package broken
