package mapping

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadCSV(t *testing.T) {
	t.Parallel()
	lines, err := ReadCSV([]byte("\xef\xbb\xbfConnection, SKU ,variant_id,inventory_item_id\r\n" +
		"shop,\"A,\"\"1\"\"\",49148385,9\r\n" +
		"shop,B,4.9E+13,\r\nshop,C\r\n\r\nshop,D,-1,\r\n"))
	require.NoError(t, err)
	require.Equal(t, []Line{
		{Number: 2, Row: Row{SKU: `A,"1"`, Connection: "shop", VariantID: 49148385,
			InventoryItemID: 9}},
		{Number: 3, Row: Row{SKU: "B", Connection: "shop"}, Fault: &Fault{"variant_id",
			"was shortened by a spreadsheet; format the column as text"}},
		{Number: 4, Fault: &Fault{"", "has 2 fields, the header has 4"}},
		{Number: 6, Row: Row{SKU: "D", Connection: "shop"}, Fault: &Fault{"variant_id",
			"must be a whole number above 0"}},
	}, lines)
}

func TestCSVThatIsNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "line 1: the file is empty",
		"sku,connection,qty\n":          `line 1, column "qty": is not a column; they are sku, conn`,
		"sku;connection\n":              "line 1: columns must be separated by commas",
		"sku,connection,SKU\n":          "line 1, column sku: is there twice",
		"sku,variant_id\n":              "line 1, column connection: is missing",
		"sku,connection\nA,shop\n\"B\n": "line 3: byte",
	} {
		_, err := ReadCSV([]byte(text))
		require.ErrorContains(t, err, want, "%q", text)
	}
	_, err := ReadCSV([]byte("sku,connection\n" + strings.Repeat("A,shop\n", MaxRows+1)))
	require.ErrorContains(t, err, "line 100002: at most 100000 rows in one call; split the file")
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("sku,connection,variant_id\nA,shop,1\n"))
	f.Add([]byte("\xef\xbb\xbfsku,connection,seller_sku,marketplace\r\n\"a\"\"b\",amz,x,US\r\n"))
	f.Add([]byte("sku,connection,item_id\nA,ns,=1+1\nB,ns\n\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := ReadCSV(text)
		if err != nil {
			return
		}
		var good []Row
		var b bytes.Buffer
		w := NewCSVWriter(&b)
		for _, l := range lines {
			if l.Fault == nil && l.Row.Validate() == nil {
				good = append(good, l.Row)
				require.NoError(t, w.Write(l.Row))
			}
		}
		require.NoError(t, w.Flush())
		again, err := ReadCSV(b.Bytes())
		require.NoError(t, err)
		require.Len(t, again, len(good))
		for i, l := range again {
			require.Nil(t, l.Fault)
			require.Equal(t, good[i], l.Row)
		}
	})
}

func BenchmarkReadCSV(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("sku,connection,variant_id,inventory_item_id\n")
	for i := range MaxRows {
		fmt.Fprintf(&text, "SKU-%06d,shop,%d,%d\n", i, 40_000_000_000_000+i, 50_000_000_000_000+i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadCSV(text.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
