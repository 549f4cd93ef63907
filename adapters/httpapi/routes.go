package httpapi

// The limits of bodies, as durability.md gives them.
const (
	reserveBytes = 256 << 10
	stockBytes   = 2 << 20
	batchBytes   = 4 << 20
	skusBytes    = 8 << 20 // 10,000 definitions with title, barcode and tags
	recordBytes  = 64 << 10
)

const batchPattern = "/v1/batch"

// routes is every call that the server knows. /openapi.json describes the same ones, and a test
// holds the two together.
func routes() []*route {
	var all []*route
	for _, group := range [][]*route{definitionRoutes(), stockRoutes(), reservationRoutes(),
		operationRoutes(), traceRoutes(), scopeRoutes(), hookRoutes(), keyRoutes()} {
		all = append(all, group...)
	}
	for _, group := range [][]*route{connectionRoutes(), flowRoutes(), routingRoutes(),
		mappingRoutes(), orderRoutes(), taskRoutes(), exceptionRoutes(), publishingRoutes(),
		outhookRoutes(), fieldRoutes()} {
		for _, r := range group {
			r.kept = r.write
		}
		all = append(all, group...)
	}
	for _, r := range all {
		r.needs = roleOf(r)
	}
	return all
}

func get(pattern string, handle func(*call) error, query ...string) *route {
	return &route{method: "GET", pattern: pattern, handle: handle, query: query, read: true}
}

func write(method, pattern string, handle func(*call) error, body int, limit string) *route {
	return &route{method: method, pattern: pattern, handle: handle, body: body, limit: limit,
		write: true}
}

func definitionRoutes() []*route {
	return []*route{
		write("PUT", "/v1/locations/{id}", putLocation, recordBytes, "record-bytes"),
		get("/v1/locations/{id}", getLocation),
		write("DELETE", "/v1/locations/{id}", deleteLocation, 0, ""),
		get("/v1/locations", listLocations, "after", "limit"),
		write("PUT", "/v1/channels/{id}", putChannel, recordBytes, "record-bytes"),
		get("/v1/channels/{id}", getChannel),
		write("DELETE", "/v1/channels/{id}", deleteChannel, 0, ""),
		get("/v1/channels", listChannels, "after", "limit"),
		write("PUT", "/v1/skus/{sku}", putSKU, recordBytes, "record-bytes"),
		get("/v1/skus/{sku}", getSKU),
		write("DELETE", "/v1/skus/{sku}", deleteSKU, 0, ""),
		get("/v1/skus", listSKUs, "after", "limit"),
		write("POST", "/v1/skus", postSKUs, skusBytes, "skus-bytes"),
	}
}

func stockRoutes() []*route {
	ask := get("/v1/availability", postAvailability)
	ask.method, ask.body, ask.limit = "POST", stockBytes, "availability-bytes"
	show := get("/v1/availability", getAvailability, "channel", "sku")
	show.many = "sku"
	return []*route{
		write("POST", "/v1/stock", postStock, stockBytes, "stock-bytes"),
		get("/v1/stock/{sku}", getStock, "as_of_index"),
		get("/v1/stock/{sku}/explain", getExplain, "channel"),
		show, ask,
	}
}

func reservationRoutes() []*route {
	all := []*route{
		write("POST", "/v1/reservations", postReservation, reserveBytes, "reservation-bytes"),
		get("/v1/reservations", listReservations, "sku", "channel", "state", "after", "limit"),
		get("/v1/reservations/{id}", getReservation),
		write("POST", batchPattern, postBatch, batchBytes, "batch-bytes"),
	}
	for v := verbCommit; v <= verbAdd; v++ {
		all = append(all, write("POST", "/v1/reservations/{id}/"+verbs[v].name, verbHandler(v),
			reserveBytes, "reservation-bytes"))
	}
	return all
}

func operationRoutes() []*route {
	plain := func(pattern string, handle func(*call) error) *route {
		return &route{method: "GET", pattern: pattern, handle: handle}
	}
	change := func(method, pattern string, handle func(*call) error) *route {
		r := &route{method: method, pattern: pattern, handle: handle}
		if method == "POST" {
			r.body, r.limit = smallBody, "body-bytes"
		}
		return r
	}
	check := plain("/v1/check", postCheck)
	check.method = "POST"
	backup := get("/v1/backup", postBackup, "events")
	backup.method = "POST"
	return []*route{
		get("/v1/events", getEvents, "after", "limit"),
		plain("/v1/cluster", getCluster),
		change("POST", "/v1/cluster/members", postMember),
		change("DELETE", "/v1/cluster/members/{id}", deleteMember),
		change("POST", "/v1/cluster/transfer", postTransfer),
		get("/v1/digest", getDigest, "index"),
		check,
		backup,
		plain("/livez", getLive),
		plain("/readyz", getReady),
		plain("/metrics", getMetrics),
		plain("/openapi.json", getOpenAPI),
		plain("/problems", listProblems),
		plain("/problems/{code}", getProblem),
	}
}
