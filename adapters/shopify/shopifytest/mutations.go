package shopifytest

// mutations lists what can be changed by API. A mutation checks everything before it changes
// anything: user errors mean that nothing happened.
func mutations() map[string]func(*call, args) *payload {
	return map[string]func(*call, args) *payload{
		"inventorySetQuantities":        (*call).inventorySetQuantities,
		"inventoryAdjustQuantities":     (*call).inventoryAdjustQuantities,
		"inventoryMoveQuantities":       (*call).inventoryMoveQuantities,
		"inventoryActivate":             (*call).inventoryActivate,
		"orderCreate":                   (*call).orderCreate,
		"orderCancel":                   (*call).orderCancel,
		"orderClose":                    (*call).orderClose,
		"tagsAdd":                       (*call).tagsAdd,
		"fulfillmentCreate":             (*call).fulfillmentCreate,
		"fulfillmentCancel":             (*call).fulfillmentCancel,
		"fulfillmentTrackingInfoUpdate": (*call).fulfillmentTrackingInfoUpdate,
		"fulfillmentOrderHold":          (*call).fulfillmentOrderHold,
		"fulfillmentOrderReleaseHold":   (*call).fulfillmentOrderReleaseHold,
		"fulfillmentOrderMove":          (*call).fulfillmentOrderMove,
		"refundCreate":                  (*call).refundCreate,
		"returnCreate":                  (*call).returnCreate,
		"returnProcess":                 (*call).returnProcess,
		"returnClose":                   (*call).returnClose,
		"webhookSubscriptionCreate":     (*call).webhookSubscriptionCreate,
		"webhookSubscriptionDelete":     (*call).webhookSubscriptionDelete,
		"bulkOperationRunQuery":         (*call).bulkOperationRunQuery,
		"metafieldDefinitionCreate":     (*call).metafieldDefinitionCreate,
	}
}

// payload is the answer of a mutation.
type payload struct {
	mutation string
	values   map[string]any
	errs     []userError
	fail     *failure // of the call as such
}

type userError struct {
	field         []string
	message, code string
}

func refused(errs ...userError) *payload { return &payload{errs: errs} }

func refuse(e *userError) *payload { return refused(*e) }

func done(values map[string]any) *payload { return &payload{values: values} }

// mutate runs one mutation: the idempotency key is looked at before anything else.
func mutate(name string, run func(*call, args) *payload) func(*call, *planField, args) any {
	return func(c *call, f *planField, a args) any {
		key, keyed := c.key(f)
		if !keyed && mustBeIdempotent[name] && c.version >= "2026-04" {
			return &failure{"BAD_REQUEST",
				"The @idempotent directive is required for this mutation but was not provided."}
		}
		if keyed && mustBeIdempotent[name] {
			if old, ok := c.replay(f, a, key); ok {
				p := old.(*payload)
				c.note(p)
				return p
			}
		}
		p := run(c, a)
		if p.fail != nil {
			return p.fail
		}
		p.mutation = name
		if keyed && mustBeIdempotent[name] {
			c.remember(f, a, key, p)
		}
		c.note(p)
		return p
	}
}

// note keeps the codes, or messages, of user errors for the journal.
func (c *call) note(p *payload) {
	for _, e := range p.errs {
		word := e.code
		if word == "" {
			word = e.message
		}
		c.act.refused = append(c.act.refused, word)
	}
}
