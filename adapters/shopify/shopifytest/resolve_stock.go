package shopifytest

import "slices"

// quantity is one number of a level.
type quantity struct {
	level *level
	name  string
}

// quantityName describes one of the names of quantities.
type quantityName struct{ name string }

func (i *item) visible(inactive bool) []*level {
	var out []*level
	for _, l := range i.levels {
		if l.active && l.loc.active || inactive {
			out = append(out, l)
		}
	}
	return out
}

func stockTypes() map[string]fields {
	return map[string]fields{
		"Product": {
			"id":               get(func(p *product) any { return gid{"Product", p.id} }),
			"legacyResourceId": get(func(p *product) any { return decimal(p.id) }),
			"title":            get(func(p *product) any { return p.title }),
			"handle":           get(func(p *product) any { return handle(p.title) }),
			"status":           get(func(p *product) any { return p.status }),
			"vendor":           get(func(*product) any { return "" }),
			"productType":      get(func(*product) any { return "" }),
			"tags":             get(func(*product) any { return []string{} }),
			"createdAt":        get(func(p *product) any { return p.created }),
			"updatedAt":        get(func(p *product) any { return p.updated }),
			"variants": on(func(_ *call, p *product, a args) any {
				return paginate(p.variants, a, idCursor(func(v *variant) int64 { return v.id }))
			}),
		},
		"ProductVariant":        variantFields(),
		"InventoryItem":         itemFields(),
		"InventoryLevel":        levelFields(),
		"InventoryQuantity":     quantityFields(),
		"InventoryQuantityName": quantityNameFields(),
		"InventoryProperties": {"quantityNames": get(func(*shop) any {
			var out []any
			for _, n := range append(stateNames[:], "on_hand") {
				out = append(out, quantityName{n})
			}
			return out
		})},
		"InventoryAdjustmentGroup": {
			"id": get(func(g *adjustmentGroup) any {
				return gid{"InventoryAdjustmentGroup", g.id}
			}),
			"createdAt":            get(func(g *adjustmentGroup) any { return g.at }),
			"reason":               get(func(g *adjustmentGroup) any { return g.reason }),
			"referenceDocumentUri": get(func(g *adjustmentGroup) any { return text(g.uri) }),
			"app":                  get(func(g *adjustmentGroup) any { return ref(g.app) }),
			"changes":              on(changesOf),
		},
		"InventoryChange": {
			"name":                get(func(c stockChange) any { return c.name }),
			"delta":               get(func(c stockChange) any { return c.delta }),
			"quantityAfterChange": get(func(stockChange) any { return nil }),
			"ledgerDocumentUri":   get(func(c stockChange) any { return text(c.ledger) }),
			"item":                get(func(c stockChange) any { return c.item }),
			"location":            get(func(c stockChange) any { return c.loc }),
		},
	}
}

func changesOf(_ *call, g *adjustmentGroup, a args) any {
	names := a.texts("quantityNames")
	var out []stockChange
	for _, c := range g.changes {
		if len(names) == 0 || slices.Contains(names, c.name) {
			out = append(out, c)
		}
	}
	return list(out)
}

func handle(title string) string {
	b := []byte(title)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c < '0' || c > '9' && c < 'a' || c > 'z':
			b[i] = '-'
		}
	}
	return string(b)
}

func variantFields() fields {
	return fields{
		"id":               get(func(v *variant) any { return gid{"ProductVariant", v.id} }),
		"legacyResourceId": get(func(v *variant) any { return decimal(v.id) }),
		"sku":              get(func(v *variant) any { return text(v.sku) }),
		"barcode":          get(func(v *variant) any { return text(v.barcode) }),
		"title":            get(func(v *variant) any { return v.title }),
		"displayName":      get(func(v *variant) any { return v.product.title + " - " + v.title }),
		"price":            get(func(v *variant) any { return v.price }),
		"compareAtPrice":   get(func(*variant) any { return nil }),
		"taxable":          get(func(*variant) any { return true }),
		"inventoryPolicy":  get(func(v *variant) any { return v.policy }),
		"requiresComponents": get(func(v *variant) any {
			return v.bundle
		}),
		"inventoryQuantity": get(func(v *variant) any { return v.quantity() }),
		"sellableOnlineQuantity": on(func(c *call, v *variant, _ args) any {
			return c.shop.sellable(v.item)
		}),
		"product":       get(func(v *variant) any { return v.product }),
		"inventoryItem": get(func(v *variant) any { return v.item }),
		"createdAt":     get(func(v *variant) any { return v.created }),
		"updatedAt":     get(func(v *variant) any { return v.updated }),
	}
}

// quantity is what is available at all active locations.
func (v *variant) quantity() int64 {
	var n int64
	for _, l := range v.item.visible(false) {
		n += l.q[available]
	}
	return n
}

func itemFields() fields {
	return fields{
		"id":               get(func(i *item) any { return gid{"InventoryItem", i.id} }),
		"legacyResourceId": get(func(i *item) any { return decimal(i.id) }),
		"sku":              get(func(i *item) any { return text(i.variant.sku) }),
		"tracked":          get(func(i *item) any { return i.tracked }),
		"requiresShipping": get(func(i *item) any { return i.ships }),
		"duplicateSkuCount": on(func(c *call, i *item, _ args) any {
			return max(0, len(c.shop.bySKU[i.variant.sku])-1)
		}),
		"variant": get(func(i *item) any { return i.variant }),
		"variants": on(func(_ *call, i *item, a args) any {
			return paginate([]*variant{i.variant}, a, idCursor(func(v *variant) int64 { return v.id }))
		}),
		"createdAt": get(func(i *item) any { return i.created }),
		"updatedAt": get(func(i *item) any { return i.updated }),
		"inventoryLevel": on(func(c *call, i *item, a args) any {
			loc, ok := find[*location](c.shop, a.text("locationId"))
			if !ok {
				return nil
			}
			l := i.level(loc)
			if l == nil || !l.active && !a.flag("includeInactive") {
				return nil
			}
			return l
		}),
		"inventoryLevels": on(func(_ *call, i *item, a args) any {
			return paginate(i.visible(a.flag("includeInactive")), a,
				idCursor(func(l *level) int64 { return l.id }))
		}),
	}
}

func levelFields() fields {
	return fields{
		"id": get(func(l *level) any {
			return gid{"InventoryLevel", l.id}.String() + "?inventory_item_id=" + decimal(l.item.id).(string)
		}),
		"isActive":  get(func(l *level) any { return l.active }),
		"createdAt": get(func(l *level) any { return l.created }),
		"updatedAt": get(func(l *level) any { return l.updated }),
		"item":      get(func(l *level) any { return l.item }),
		"location":  get(func(l *level) any { return l.loc }),
		"quantities": on(func(_ *call, l *level, a args) any {
			var out []any
			for _, name := range a.texts("names") {
				if _, _, ok := l.quantity(name); !ok {
					return &failure{"INVALID_FIELD_ARGUMENTS", "Invalid quantity name: " + name}
				}
				out = append(out, quantity{l, name})
			}
			return some(out)
		}),
	}
}

func quantityFields() fields {
	return fields{
		"id": get(func(q quantity) any {
			return gid{"InventoryQuantity", q.level.id}.String() + "?name=" + q.name
		}),
		"name": get(func(q quantity) any { return q.name }),
		"quantity": get(func(q quantity) any {
			n, _, _ := q.level.quantity(q.name)
			return n
		}),
		"updatedAt": get(func(q quantity) any {
			_, at, _ := q.level.quantity(q.name)
			return at
		}),
	}
}

func quantityNameFields() fields {
	return fields{
		"name":        get(func(q quantityName) any { return q.name }),
		"displayName": get(func(q quantityName) any { return q.name }),
		"isInUse":     get(func(quantityName) any { return true }),
		"belongsTo": get(func(q quantityName) any {
			if q.name == "on_hand" || q.name == "incoming" {
				return []string{}
			}
			return []string{"on_hand"}
		}),
		"comprises": get(func(q quantityName) any {
			if q.name == "on_hand" {
				return append([]string{}, stateNames[:incoming]...)
			}
			return []string{}
		}),
	}
}
