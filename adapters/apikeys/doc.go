// Package apikeys says who may call: API keys, each with a role, kept in the replicated records.
//
// A [Token] is shown once, when its key is made; only its SHA-256 is kept. It has 256 random bits, so a
// plain hash is as good as a slow one, and nobody finds it by trying.
//
// [Desk] makes and revokes keys. [Index] is what every request asks: a table in memory that follows
// the records on every node, so that a check costs one hash and one look, no disk and no allocation. A
// revoked key stops on a node with the entry that revoked it, its open streams too.
//
// Start at [Index].
package apikeys
