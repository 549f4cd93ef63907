package shopifytest

func (c *call) refundCreate(a args) *payload {
	p, fault := c.planRefund(a.object("input"))
	if fault != nil {
		return refuse(fault)
	}
	return done(map[string]any{"refund": c.shop.refund(c.act, p), "order": p.order})
}

func (c *call) returnCreate(a args) *payload {
	p, fault := c.planReturn(a.object("returnInput"))
	if fault != nil {
		return refuse(fault)
	}
	return done(map[string]any{"return": c.shop.openReturn(c.act, p)})
}

func (c *call) returnProcess(a args) *payload {
	in := a.object("input")
	r, got, fault := c.planProcess(in)
	if fault != nil {
		return refuse(fault)
	}
	money := in.object("financialTransfer").object("issueRefund")
	var p refundPlan
	if money != nil {
		if p, fault = c.planReturnRefund(r, got, money); fault != nil {
			return refuse(fault)
		}
	}
	c.shop.process(c.act, r, got)
	if money != nil {
		c.shop.refund(c.act, p)
	}
	return done(map[string]any{"return": r})
}

// planReturnRefund makes the refund that a processed return asks for.
func (c *call) planReturnRefund(r *returnDoc, got []received, in args) (refundPlan, *userError) {
	p := refundPlan{order: r.order, returned: r}
	for _, x := range got {
		part := refundPart{line: x.line.from.line, qty: x.qty, restock: "NO_RESTOCK"}
		for _, d := range x.dispositions {
			if d.typ == "RESTOCKED" && c.srv.assumptions().ReturnRefundSaysRestocked {
				part.restock, part.loc = "RETURN", d.loc
			}
		}
		x.line.refunded += x.qty
		p.lines = append(p.lines, part)
	}
	var list []any
	for _, t := range in.objects("orderTransactions") {
		list = append(list, map[string]any{"amount": t.object("transactionAmount").text("amount"),
			"parentId": t["parentId"], "gateway": "", "kind": "REFUND"})
	}
	p, fault := c.planMoney(p, args{"transactions": list,
		"allowOverRefunding": in["allowOverRefunding"]})
	if fault != nil {
		for _, x := range got {
			x.line.refunded -= x.qty
		}
		return p, returnError("INVALID", fault.message, "input", "financialTransfer")
	}
	return p, nil
}

func (c *call) returnClose(a args) *payload {
	r, ok := find[*returnDoc](c.shop, a.text("id"))
	if !ok {
		return refuse(returnError("NOT_FOUND", "Return not found.", "id"))
	}
	switch r.status {
	case "OPEN":
		c.shop.closeReturn(c.act, r)
	case "CLOSED":
	default:
		return refuse(returnError("INVALID_STATE", "Return status is invalid.", "id"))
	}
	return done(map[string]any{"return": r})
}
