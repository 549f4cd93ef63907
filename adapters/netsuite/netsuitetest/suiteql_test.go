package netsuitetest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQueriesOfAConnector runs the queries that a connector needs.
func TestQueriesOfAConnector(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	so := r.post("salesOrder", order("so-1", item("A", 3), item("KIT", 1))).id()
	r.post("salesOrder", order("so-2", item("B", 1))).id()
	r.Advance(30 * time.Minute)
	ship := r.post("salesOrder/"+so+"/!transform/itemFulfillment", m{"externalId": "if-1",
		"item":    list(m{"orderLine": 1, "quantity": 2}, m{"orderLine": 4, "itemReceive": false}),
		"package": list(m{"packageTrackingNumber": "1Z9"})}).id()

	assert.Equal(t, []m{{"id": so, "externalid": "so-1", "tranid": "SO10001"}},
		r.sql("SELECT id, externalid, tranid FROM transaction WHERE type='SalesOrd' AND externalid IN ('so-1','so-x')"))
	assert.Equal(t, []m{{"item": "1", "location": "1", "onhand": "8", "quantitycommitted": "3"}},
		r.sql(`SELECT item, location, quantityonhand AS onHand, quantitycommitted
			FROM inventoryitemlocations WHERE (item > 0 OR (item = 0 AND location > 1))
			ORDER BY item, location FETCH NEXT 1 ROWS ONLY`))
	delta := `SELECT item, location, quantityonhand, TO_CHAR(lastquantityavailablechange,
		'YYYY-MM-DD HH24:MI:SS TZH:TZM') at FROM aggregateItemLocation
		WHERE lastquantityavailablechange >= TO_TIMESTAMP_TZ('2026-11-23 17:00:00 +00:00',
		'YYYY-MM-DD HH24:MI:SS TZH:TZM') ORDER BY item, location`
	assert.Len(t, r.sql(delta), 6)
	shipped := r.sql(`SELECT t.id, t.externalid, tl.createdfrom, tl.item, -tl.quantity AS qty, so.externalid AS ours,
		BUILTIN.DF(tl.location) AS place, BUILTIN.DF(t.status) AS state, tn.trackingnumber
		FROM transaction t
		JOIN transactionline tl ON tl.transaction = t.id AND tl.mainline = 'F' AND tl.iscogs = 'F'
		JOIN transaction so ON so.id = tl.createdfrom
		LEFT JOIN trackingNumberMap tm ON tm.transaction = t.id
		LEFT JOIN trackingNumber tn ON tn.id = tm.trackingnumber
		WHERE t.type = 'ItemShip' AND t.status = 'ItemShip:C'
		AND t.lastmodifieddate >= TO_TIMESTAMP('2026-11-23 09:30:00', 'YYYY-MM-DD HH24:MI:SS')
		ORDER BY t.id, tl.id`)
	assert.Equal(t, []m{{"id": ship, "externalid": "if-1", "createdfrom": so, "item": "1", "qty": "2",
		"ours": "so-1", "place": "main", "state": "Item Fulfillment : Shipped", "trackingnumber": "1Z9"}},
		shipped)
	assert.Equal(t, []m{{"id": "1", "quantity": "-3", "quantityshiprecv": "2", "quantitycommitted": "1",
		"isclosed": "F", "itemtype": "InvtPart"}, {"id": "4", "quantity": "-1", "quantityshiprecv": "0",
		"quantitycommitted": "1", "isclosed": "F", "itemtype": "Kit"}},
		r.sql("SELECT id, quantity, quantityshiprecv, quantitycommitted, isclosed, itemtype "+
			"FROM transactionline WHERE transaction = "+so+" AND mainline = 'F' ORDER BY id"))
	assert.Equal(t, []m{{"item": "1", "units": "1"}, {"item": "2", "units": "1"}},
		r.sql(`SELECT tl.item, SUM(tl.quantitycommitted) AS units FROM transactionline tl, transaction t
			WHERE tl.transaction = t.id AND t.type = 'SalesOrd' AND tl.itemtype = 'InvtPart'
			GROUP BY tl.item ORDER BY tl.item`))
	assert.Equal(t, []m{{"previousdoc": so, "previousline": "1", "linktype": "ShipRcpt"}},
		r.sql("SELECT previousdoc, previousline, linktype FROM PreviousTransactionLineLink WHERE nextdoc = "+ship))
	assert.Equal(t, []m{{"itemid": "A", "quantity": "2"}, {"itemid": "B", "quantity": "1"}},
		r.sql(`SELECT i.itemid, k.quantity FROM item kit JOIN itemMember k ON k.parentitem = kit.id
			JOIN item i ON i.id = k.item WHERE kit.itemid = 'KIT' ORDER BY i.itemid`))
	assert.Equal(t, []m{{"fullname": "A", "upccode": "4001", "isinactive": "F"}},
		r.sql("SELECT fullname, upccode, isinactive FROM item WHERE itemid = 'A'"))
	assert.Equal(t, []m{{"n": "3"}}, r.sql("SELECT COUNT(*) n FROM location"))
	assert.Equal(t, []m{{"zone": "-08:00"}}, r.sql("SELECT TO_CHAR(SYSTIMESTAMP, 'TZH:TZM') zone FROM dual"))
}

// TestQueryLanguage walks through what the subset can say.
func TestQueryLanguage(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	for expr, want := range map[string]any{
		"1 + 2 * 3": "7", "(1 + 2) * 3": "9", "7 / 2": "3.5", "-2 - -3": "1", "'a' || 'b' || 1": "ab1",
		"NVL(NULL, 'x')": "x", "COALESCE(NULL, NULL, 2)": "2", "NULL": nil, "NULL + 1": nil,
		"UPPER('ab')": "AB", "SUBSTR('abcdef', 2, 3)": "bcd", "ROUND(2.345, 2)": "2.35",
		"GREATEST(1, 3, 2)": "3", "DECODE(2, 1, 'one', 2, 'two', 'many')": "two",
		"CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' ELSE 'c' END":                 "b",
		"CASE 'x' WHEN 'y' THEN 1 ELSE 0 END":                                       "0",
		"TO_CHAR(TO_DATE('2026-02-03', 'YYYY-MM-DD'), 'DD/MM/YY')":                  "03/02/26",
		"TO_CHAR(TO_DATE('2026-02-03','YYYY-MM-DD') + 1.5, 'YYYY-MM-DD HH24:MI')":   "2026-02-04 12:00",
		"TO_DATE('2026-02-03', 'YYYY-MM-DD') - TO_DATE('2026-02-01', 'YYYY-MM-DD')": "2",
		"TO_DATE('2026-02-03', 'YYYY-MM-DD')":                                       "2/3/2026",
		"TO_CHAR(CURRENT_TIMESTAMP, 'YYYY-MM-DD\"T\"HH24:MI:SS')":                   "2026-11-23T09:00:00",
		"TRUNC(SYSDATE)": "11/23/2026", "'it''s'": "it's", "LENGTH('abc')": "3", "NULLIF(1, 1)": nil,
	} {
		rows := r.sql("SELECT " + expr + " AS v FROM dual")
		require.Len(t, rows, 1, expr)
		assert.Equal(t, want, rows[0]["v"], expr)
	}
	for condition, want := range map[string]bool{
		"1 = 1": true, "1 <> 1": false, "1 != 2": true, "'a' < 'b'": true, "10 > 9": true, "'10' = 10": true,
		"NULL = NULL": false, "NOT (NULL = 1)": false, "NULL IS NULL": true, "1 IS NOT NULL": true,
		"2 IN (1, 2)": true, "2 NOT IN (1, 3)": true, "2 NOT IN (1, NULL)": false,
		"2 BETWEEN 1 AND 3": true, "2 NOT BETWEEN 1 AND 3": false, "'abc' LIKE 'a%'": true,
		"'abc' LIKE '_b_'": true, "'abc' NOT LIKE '%d%'": true, "1 = 1 OR 1 = 2 AND 1 = 3": true,
		"SYSDATE >= '11/22/2026'": true, "SYSDATE < TO_DATE('2026-11-23', 'YYYY-MM-DD')": false,
	} {
		assert.Len(t, r.sql("SELECT 1 FROM dual WHERE "+condition), map[bool]int{true: 1}[want], condition)
	}
	assert.Equal(t, []m{{"itemid": "OFF"}, {"itemid": "KIT"}},
		r.sql("SELECT itemid FROM item ORDER BY itemid DESC OFFSET 0 ROWS FETCH FIRST 2 ROWS ONLY"))
	assert.Equal(t, []m{{"itemtype": "Assembly"}}, r.sql("SELECT DISTINCT 'Assembly' AS itemtype FROM item"))
	assert.Equal(t, []m{{"n": "4"}}, r.sql("SELECT COUNT(DISTINCT itemtype) n FROM item"))
	assert.Equal(t, []m{{"itemtype": "InvtPart", "n": "2"}},
		r.sql("SELECT itemtype, COUNT(id) n FROM item GROUP BY itemtype HAVING COUNT(*) > 1"))
	assert.Equal(t, []m{{"expr1": "1", "expr2": "2"}}, r.sql("SELECT MIN(id), MAX(id) FROM item WHERE "+
		"itemtype = 'InvtPart'"))
	assert.Equal(t, []m{{"dummy": "X"}}, r.sql("SELECT d.* FROM dual AS d -- a remark"))
}

// TestRefusedQueries refuses what is outside of the subset, in NetSuite's words.
func TestRefusedQueries(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	const words = "Invalid search query. Detailed unprocessed description follows. "
	const unsupported = words + "Search error occurred: Invalid or unsupported search."
	for q, want := range map[string]string{
		"SELECT subsidiary FROM transaction": words + "Search error occurred: Unknown identifier " +
			"'subsidiary'. Available identifiers are: {transaction=transaction}.",
		"SELECT t.id FROM transaction t JOIN item i ON i.id = t.nothing": words + "Search error occurred: " +
			"Unknown identifier 'nothing'. Available identifiers are: {t=transaction, i=item}.",
		"SELECT id FROM inventorybalance": words +
			"Search error occurred: Record 'inventorybalance' was not found.",
		"SELECT id FROM transaction WHERE lastmodifieddate > '2026-11-23'": words + "Search error " +
			"occurred: Parse of date/time \"2026-11-23\" failed with date format \"M/d/yyyy\" in time zone " +
			"America/Los_Angeles.",
		"SELECT id FROM (SELECT id FROM item)":                 unsupported,
		"SELECT id FROM item WHERE id IN (SELECT 1 FROM dual)": unsupported,
		"SELECT id FROM item UNION SELECT id FROM location":    unsupported,
		"WITH x AS (SELECT 1 FROM dual) SELECT * FROM x":       unsupported,
		"DELETE FROM item":                                      unsupported,
		"SELECT id FROM item;":                                  unsupported,
		"SELECT id FROM item WHERE id = :id":                    unsupported,
		"SELECT id FROM item RIGHT JOIN location ON 1 = 1":      unsupported,
		"SELECT RANK() OVER (ORDER BY id) FROM item":            unsupported,
		"SELECT id, COUNT(*) FROM item":                         unsupported,
		"SELECT id FROM item WHERE id":                          unsupported,
		"SELECT NOSUCH(id) FROM item":                           unsupported,
		"SELECT id FROM item LIMIT 5":                           unsupported,
		"SELECT TO_DATE('x', 'YYYY') FROM dual":                 words + "Search error occurred: Invalid date x for the format YYYY.",
		"SELECT 'x' + 1 FROM dual":                              words + "Search error occurred: Invalid number.",
		"SELECT TO_DATE('1', 'Q') FROM dual":                    words + "Search error occurred: Invalid date format Q.",
		"SELECT BUILTIN.CONSOLIDATE(id, 'X') FROM transaction":  unsupported,
		"SELECT id FROM item i, location i":                     unsupported,
		"":                                                      unsupported,
		"SELECT id FROM item WHERE itemid = 'open":              unsupported,
		"SELECT id FROM item ORDER BY 2":                        unsupported,
		"SELECT i.id FROM location l JOIN item i ON l.id = z.x": words + "Search error occurred: Unknown identifier 'x'. Available identifiers are: {l=location, i=item}.",
	} {
		if q == "SELECT id FROM transaction WHERE lastmodifieddate > '2026-11-23'" {
			r.post("salesOrder", order("", item("A", 1))).id() // a date is read where a row is
		}
		out := r.sqlPage(q, "")
		assert.Equal(t, http.StatusBadRequest, out.status, q)
		assert.Equal(t, "INVALID_PARAMETER", out.code(), q)
		assert.Equal(t, want, out.detail("detail"), q)
	}
	const at = "/services/rest/query/v1/suiteql"
	assert.Equal(t, "INVALID_HEADER", r.send("POST", at, m{"q": "SELECT 1 FROM dual"}, "Prefer", "").code())
	assert.Equal(t, "INVALID_CONTENT", r.send("POST", at, m{"query": "x"}).code())
	assert.Equal(t, 405, r.send("GET", at, nil).status)
}

// TestPaging reads pages, and shows what happens without a unique order.
func TestPaging(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Items: SampleItems(1, 300)})
	read := func(q string) map[string]int {
		seen := map[string]int{}
		for offset := 0; ; offset += 100 {
			out := r.sqlPage(q, fmt.Sprintf("?limit=100&offset=%d", offset))
			require.Equal(t, 200, out.status, out.text)
			items, _ := out.body["items"].([]any)
			for _, x := range items {
				seen[fmt.Sprint(x.(m)["id"])]++
			}
			assert.Equal(t, "304", fmt.Sprint(out.body["totalResults"]))
			if out.body["hasMore"] == false {
				return seen
			}
		}
	}
	assert.Len(t, read("SELECT id FROM item ORDER BY id"), 304)
	assert.Less(t, len(read("SELECT id FROM item")), 304, "pages without an order miss rows")
	assert.Less(t, len(read("SELECT id FROM item ORDER BY itemtype")), 304, "the order must be unique")
	for _, params := range []string{"?limit=1001", "?limit=0", "?offset=-1", "?limit=10&offset=5"} {
		assert.Equal(t, "INVALID_PARAMETER", r.sqlPage("SELECT id FROM item", params).code(), params)
	}
	assert.Empty(t, r.sqlPage("SELECT id FROM item", "?limit=100&offset=1000").body["items"])
}

// FuzzQuery feeds anything to the parser: it may refuse, never fail.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"SELECT id FROM item", "SELECT a.b, COUNT(*) FROM transaction a LEFT JOIN " +
		"transactionline b ON a.id = b.transaction WHERE x IN (1,'2') GROUP BY a.b ORDER BY 1 DESC",
		"SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DD') FROM dual", "SELECT '"} {
		f.Add(q)
	}
	s, err := New(Config{Manual: true, Items: testItems()})
	if err != nil {
		f.Fatal(err)
	}
	r := &rig{Server: s}
	f.Fuzz(func(t *testing.T, q string) {
		x := *r
		x.t = t
		x.token, _ = s.access.grant(s.access.integrations[0])
		out := x.sqlPage(q, "")
		if out.status != 200 && out.status != 400 {
			t.Fatal(out.status, out.text)
		}
	})
}
