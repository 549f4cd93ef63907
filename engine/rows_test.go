package engine

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRowsAreSmallAndWithoutPointers holds the sizes that the comments promise, and that the
// collector has nothing to scan in the tables.
func TestRowsAreSmallAndWithoutPointers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		value any
		bytes uintptr
	}{
		{resvRow{}, 48}, {partRow{}, 44}, {stockRow{}, 64}, {skuRow{}, 24}, {skuMore{}, 20}, {markRow{}, 24},
		{kitPart{}, 12}, {kitUse{}, 12}, {answerRow{}, 40}, {rememberedShort{}, 32}, {bucket{}, 64},
	} {
		typ := reflect.TypeOf(row.value)
		assert.Equal(t, row.bytes, typ.Size(), "size of %s", typ.Name())
		assert.False(t, hasPointers(typ), "%s has pointers", typ.Name())
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Interface,
		reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Array:
		return hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
