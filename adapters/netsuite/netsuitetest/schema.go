package netsuitetest

import (
	"strings"
)

// kind is what a field holds.
type kind uint8

const (
	kindText kind = iota
	kindDate
	kindFlag
	kindNumber
	kindRef    // of a record: ref
	kindEnum   // one of a list: enum
	kindObject // a subrecord that is kept as it came, such as an address
	kindRead   // read only: writes are ignored, reads are computed
)

// field describes a field of a record or of a line of a sublist.
type field struct {
	name   string
	kind   kind
	target string            // of a reference: the name of a record type, or a family
	words  map[string]string // of an enum: id to name
}

// sublist describes a sublist. Lines of one with a key are found again by it.
type sublist struct {
	name   string
	key    string
	fields map[string]*field
}

// recordType describes a type of records and what may be done with it.
type recordType struct {
	name   string // salesOrder, as it stands in addresses
	code   string // SalesOrd, the type that SuiteQL shows
	title  string // Sales Order
	prefix string // of document numbers: SO
	family string // records of one family share ids and external ids

	posting  bool // it belongs to an accounting period, which must be open
	readOnly bool // the role may look only
	from     []string
	fields   map[string]*field
	subs     map[string]*sublist
	statuses map[string]string // id to name, of those that have one

	// check completes and refuses a record before it is saved; nil accepts all.
	check func(a *account, s *saving) *apiError
	// moves says what the record does to stock; nil does nothing.
	moves func(a *account, r *record) []move
	// begin fills a new record of this type from the one that it is transformed from.
	begin func(a *account, s *saving) *apiError
}

const transactionFamily = "transaction"

func lower(s string) string { return strings.ToLower(s) }

// fieldsOf reads a list of fields: "name", "name:kind", "name:ref:target" or
// "name:enum:A=word|B=word", parted by white space; _ stands for a blank in words.
func fieldsOf(text string) map[string]*field {
	kinds := map[string]kind{"": kindText, "date": kindDate, "flag": kindFlag, "num": kindNumber,
		"ref": kindRef, "enum": kindEnum, "object": kindObject, "read": kindRead}
	out := map[string]*field{}
	for _, word := range strings.Fields(text) {
		name, rest, _ := strings.Cut(word, ":")
		kindName, detail, _ := strings.Cut(rest, ":")
		k, ok := kinds[kindName]
		if !ok {
			panic("netsuitetest: no kind of field " + word)
		}
		f := &field{name: name, kind: k, target: detail}
		if k == kindEnum {
			f.words = map[string]string{}
			for pair := range strings.SplitSeq(detail, "|") {
				id, meaning, _ := strings.Cut(pair, "=")
				f.words[id] = strings.ReplaceAll(meaning, "_", " ")
			}
		}
		out[lower(name)] = f
	}
	return out
}

// with adds fields to a list of them.
func with(lists ...map[string]*field) map[string]*field {
	out := map[string]*field{}
	for _, l := range lists {
		for name, f := range l {
			out[name] = f
		}
	}
	return out
}

// Fields that all transactions have.
var transactionFields = fieldsOf(`
	externalId tranDate:date memo tranId createdFrom:read createdDate:read lastModifiedDate:read
	status:read id:read subsidiary:ref:subsidiary location:ref:location department class
	customForm postingPeriod:ref:accountingPeriod transactionNumber:read`)

// Fields that orders, bills and refunds add: a customer and money.
var saleFields = fieldsOf(`
	entity:ref:customer otherRefNum email currency:ref:currency exchangeRate:num salesChannel
	shipMethod shipDate:date shippingCost:num handlingCost:num
	discountItem:ref:item discountRate discountTotal:read subtotal:read total:read taxTotal:read
	taxDetailsOverride:flag terms paymentMethod paymentOption
	billingAddress:object shippingAddress:object shipAddress:read billAddress:read
	shipIsResidential:flag shipComplete:flag toBeEmailed:flag toBePrinted:flag isCrossSubTransaction:flag
	source:read salesRep salesTeam:object promoCode undepFunds:flag account:ref:account`)

const orderStatuses = "A=Pending_Approval|B=Pending_Fulfillment"

var saleLine = fieldsOf(`
	line:num lineUniqueKey:read item:ref:item quantity:num rate:num amount:num price:enum:-1=Custom|1=Base_Price
	description location:ref:location inventoryLocation:ref:location inventorySubsidiary:ref:subsidiary
	isClosed:flag commitInventory:enum:1=Available_Qty|2=Complete_Qty|3=Do_Not_Commit
	orderPriority:num department class taxDetailsReference inventoryDetail:object
	quantityCommitted:read quantityBackOrdered:read quantityFulfilled:read quantityPicked:read
	quantityPacked:read quantityBilled:read quantityAvailable:read quantityOnHand:read
	quantityReceived:read itemType:read orderLine:num orderDoc:read noAutoAssignLocation:flag`)

var shipLine = fieldsOf(`
	orderLine:num line:read item:read quantity:num quantityRemaining:read itemReceive:flag
	location:ref:location description restock:flag kitMemberOf:read orderDoc:read itemType:read onHand:read
	inventoryDetail:object serialNumbers binNumbers`)

var adjustLine = fieldsOf(`
	line:num item:ref:item location:ref:location adjustQtyBy:num unitCost:num memo units department class
	quantityOnHand:read newQuantity:read inventoryDetail:object`)

var packageLine = fieldsOf(`packageTrackingNumber packageWeight:num packageDescr`)

var taxLine = fieldsOf(`
	taxDetailsReference taxType taxCode taxBasis:num taxRate:num taxAmount:num lineType`)

// subsOf makes the sublists of a type from pairs of a name and its fields.
func subsOf(list ...*sublist) map[string]*sublist {
	out := map[string]*sublist{}
	for _, s := range list {
		out[lower(s.name)] = s
	}
	return out
}

func saleSubs() map[string]*sublist {
	return subsOf(&sublist{name: "item", key: "line", fields: saleLine},
		&sublist{name: "taxDetails", fields: taxLine})
}

func shipSubs() map[string]*sublist {
	return subsOf(&sublist{name: "item", key: "orderLine", fields: shipLine},
		&sublist{name: "package", fields: packageLine})
}

// recordTypes holds every type that is simulated, by its name in lower case.
var recordTypes = map[string]*recordType{}

func register(types ...*recordType) {
	for _, t := range types {
		if t.subs == nil {
			t.subs = map[string]*sublist{}
		}
		recordTypes[lower(t.name)] = t
	}
}

// statusesOf reads "A=Pending Approval|B=…".
func statusesOf(text string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(text, "|") {
		id, word, _ := strings.Cut(pair, "=")
		out[id] = word
	}
	return out
}

// field looks a field up as NetSuite does: whatever the case of its letters. Custom fields are those
// of the account.
func (a *account) field(fields map[string]*field, name, prefix string) *field {
	name = lower(name)
	if f := fields[name]; f != nil {
		return f
	}
	if strings.HasPrefix(name, prefix) && a.custom[name] != nil {
		return a.custom[name]
	}
	return nil
}

// taxFields are unknown to an account without SuiteTax.
var taxFields = map[string]bool{"taxdetails": true, "taxdetailsoverride": true,
	"taxdetailsreference": true, "taxtotal": true}
