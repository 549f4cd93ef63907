package raftstore

import "encoding/binary"

// uint64Bytes is n in the eight bytes that raft's stable stores use for numbers.
func uint64Bytes(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// uint64Of is the number in p, which has eight bytes.
func uint64Of(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
