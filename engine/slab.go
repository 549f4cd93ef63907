package engine

// slab keeps rows of a type without pointers in chunks that are never moved or copied, so that it
// grows without a pause and the collector has nothing to scan. Slot 0 is never given: it stands for
// none. Which slot a row has depends on history and is never shown.
type slab[T any] struct {
	chunks [][]T
	free   []uint32
	next   uint32 // the first slot that was never given; 0 before the first
}

const (
	slabBits = 10 // 1,024 rows a chunk: some 50 KB, and the shards of an empty ledger stay small
	slabRows = 1 << slabBits
)

func (s *slab[T]) at(slot uint32) *T {
	return &s.chunks[slot>>slabBits][slot&(slabRows-1)]
}

// take returns the slot of a zero row.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot
	}
	if s.next == 0 {
		s.next = 1
	}
	if int(s.next>>slabBits) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, slabRows))
	}
	s.next++
	return s.next - 1
}

// give zeroes the row and takes the slot back.
func (s *slab[T]) give(slot uint32) {
	*s.at(slot) = *new(T)
	s.free = append(s.free, slot)
}

// end is the slot behind the last one that was ever given.
func (s *slab[T]) end() uint32 { return max(s.next, 1) }

// live is the number of rows.
func (s *slab[T]) live() int { return int(s.end()) - 1 - len(s.free) }
