package netsuitetest

// itemTypes maps the types of items to the record types that hold them.
var itemTypes = map[string]string{ItemInventory: "inventoryItem", ItemAssembly: "assemblyItem",
	ItemKit: "kitItem", ItemNonInventory: "nonInventorySaleItem", ItemCharge: "otherChargeSaleItem",
	ItemDiscount: "discountItem"}

var itemFields = fieldsOf(`externalId itemId displayName upcCode itemType:read isInactive:flag
	id:read basePrice:read createdDate:read lastModifiedDate:read salesDescription`)

func init() {
	register(orderTypes()...)
	register(billTypes()...)
	register(shipTypes()...)
	register(stockTypes()...)
	register(listTypes()...)
	makeTables()
}

func orderTypes() []*recordType {
	return []*recordType{{
		name: "salesOrder", code: "SalesOrd", title: "Sales Order", prefix: "SO",
		family: transactionFamily,
		fields: with(transactionFields, saleFields, fieldsOf("orderStatus:enum:"+orderStatuses)),
		subs:   saleSubs(), check: (*account).checkOrder,
		statuses: statusesOf("A=Pending Approval|B=Pending Fulfillment|C=Cancelled|" +
			"D=Partially Fulfilled|E=Pending Billing/Partially Fulfilled|F=Pending Billing|G=Billed|" +
			"H=Closed"),
	}, {
		name: "returnAuthorization", code: "RtnAuth", title: "Return Authorization", prefix: "RMA",
		family: transactionFamily, from: []string{"salesOrder", "invoice", "cashSale"},
		fields: with(transactionFields, saleFields,
			fieldsOf("orderStatus:enum:A=Pending_Approval|B=Pending_Receipt")),
		subs: saleSubs(), check: (*account).checkOrder, begin: (*account).beginReturn,
		statuses: statusesOf("A=Pending Approval|B=Pending Receipt|C=Cancelled|" +
			"D=Partially Received|E=Pending Refund/Partially Received|F=Pending Refund|G=Refunded|" +
			"H=Closed"),
	}, {
		name: "transferOrder", code: "TrnfrOrd", title: "Transfer Order", prefix: "TO",
		family: transactionFamily,
		fields: with(transactionFields, fieldsOf(`transferLocation:ref:location
			orderStatus:enum:`+orderStatuses+` shipMethod shipDate:date`)),
		subs: saleSubs(), check: (*account).checkOrder,
		statuses: statusesOf("A=Pending Approval|B=Pending Fulfillment|D=Partially Fulfilled|" +
			"E=Pending Receipt/Partially Fulfilled|F=Pending Receipt|G=Received|H=Closed"),
	}}
}

func billTypes() []*recordType {
	bill := func(t recordType) *recordType {
		t.family, t.posting = transactionFamily, true
		t.fields, t.subs = with(transactionFields, saleFields), saleSubs()
		t.check, t.begin, t.moves = (*account).checkBill, (*account).beginBill, (*account).billMoves
		return &t
	}
	return []*recordType{
		bill(recordType{name: "invoice", code: "CustInvc", title: "Invoice", prefix: "INV",
			from: []string{"salesOrder"}, statuses: statusesOf("A=Open|B=Paid In Full")}),
		bill(recordType{name: "cashSale", code: "CashSale", title: "Cash Sale", prefix: "CS",
			from: []string{"salesOrder"}, statuses: statusesOf("B=Not Deposited|C=Deposited")}),
		bill(recordType{name: "creditMemo", code: "CustCred", title: "Credit Memo", prefix: "CM",
			from:     []string{"returnAuthorization", "invoice"},
			statuses: statusesOf("A=Open|B=Fully Applied")}),
		bill(recordType{name: "cashRefund", code: "CashRfnd", title: "Cash Refund", prefix: "CR",
			from: []string{"returnAuthorization", "cashSale"}, statuses: statusesOf("A=Unapproved|B=Posted")}),
	}
}

func shipTypes() []*recordType {
	return []*recordType{{
		name: "itemFulfillment", code: "ItemShip", title: "Item Fulfillment", prefix: "IF",
		family: transactionFamily, posting: true, from: []string{"salesOrder", "transferOrder"},
		fields: with(transactionFields, fieldsOf(`shipStatus:enum:A=Picked|B=Packed|C=Shipped
			shippedDate:date packedDate:date pickedDate:date shipMethod shippingCost:num
			shippingAddress:object shipAddress:read entity:read transferLocation:read shipIsResidential:flag`)),
		subs: shipSubs(), check: (*account).checkShipment, moves: (*account).shipmentMoves,
		begin: (*account).beginShipment, statuses: statusesOf("A=Picked|B=Packed|C=Shipped"),
	}, {
		name: "itemReceipt", code: "ItemRcpt", title: "Item Receipt", prefix: "IR",
		family: transactionFamily, posting: true, from: []string{"returnAuthorization", "transferOrder"},
		fields: with(transactionFields, fieldsOf("entity:read exchangeRate:num currency:read")),
		subs:   shipSubs(), check: (*account).checkShipment, moves: (*account).receiptMoves,
		begin: (*account).beginShipment,
	}}
}

func stockTypes() []*recordType {
	subs := subsOf(&sublist{name: "inventory", key: "line", fields: adjustLine})
	return []*recordType{{
		name: "inventoryAdjustment", code: "InvAdjst", title: "Inventory Adjustment", prefix: "IA",
		family: transactionFamily, posting: true, subs: subs, check: (*account).checkAdjustment,
		fields: with(transactionFields, fieldsOf(`account:ref:account adjLocation:ref:location
			customer:ref:customer estimatedTotalValue:read`)), moves: (*account).adjustmentMoves,
	}, {
		name: "inventoryTransfer", code: "InvTrnfr", title: "Inventory Transfer", prefix: "IT",
		family: transactionFamily, posting: true, subs: subs, check: (*account).checkTransfer,
		fields: with(transactionFields, fieldsOf("transferLocation:ref:location")),
		moves:  (*account).transferMoves,
	}}
}

func listTypes() []*recordType {
	out := []*recordType{{name: "customer", title: "Customer", family: "entity",
		check: (*account).checkCustomer,
		fields: fieldsOf(`externalId entityId companyName firstName lastName email phone isPerson:flag
			subsidiary:ref:subsidiary currency:ref:currency isInactive:flag comments id:read category terms
			addressBook:object createdDate:read lastModifiedDate:read defaultAddress:read priceLevel taxable:flag`)},
		{name: "location", title: "Location", family: "location", readOnly: true,
			fields: fieldsOf(`externalId name subsidiary:ref:subsidiary isInactive:flag
				makeInventoryAvailable:flag id:read lastModifiedDate:read`)},
		{name: "subsidiary", title: "Subsidiary", family: "subsidiary", readOnly: true,
			fields: fieldsOf("externalId name isInactive:flag currency:ref:currency id:read")},
		{name: "currency", title: "Currency", family: "currency", readOnly: true,
			fields: fieldsOf("externalId name symbol isInactive:flag id:read")},
		{name: "account", title: "Account", family: "account", readOnly: true,
			fields: fieldsOf("externalId acctName acctNumber acctType isInactive:flag id:read")},
		{name: "accountingPeriod", title: "Accounting Period", family: "period", readOnly: true,
			fields: fieldsOf(`periodName startDate:date endDate:date closed:flag allLocked:flag id:read
				externalId`)},
	}
	for code, name := range itemTypes {
		t := &recordType{name: name, code: code, title: "Item", family: "item", readOnly: true,
			fields: itemFields}
		if code == ItemKit || code == ItemAssembly {
			t.subs = subsOf(&sublist{name: "member", fields: fieldsOf("item:ref:item quantity:num")})
		}
		out = append(out, t)
	}
	return out
}
