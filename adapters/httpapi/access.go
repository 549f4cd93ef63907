package httpapi

import "holdfast/adapters/apikeys"

// access is what calls take that do not take what their method says: read for GET, write for the rest.
var access = map[string]apikeys.Role{
	// Probes and descriptions say nothing of a merchant, and are asked by what has no key.
	"GET /livez":           0,
	"GET /readyz":          0,
	"GET /openapi.json":    0,
	"GET /problems":        0,
	"GET /problems/{code}": 0,

	// These only look.
	"POST /v1/availability":          apikeys.Read,
	"POST /v1/routing/try":           apikeys.Read,
	"POST " + fieldsPattern + "/try": apikeys.Read,
	"POST /v1/mappings/audit":        apikeys.Read,
	"POST /v1/check":                 apikeys.Read,

	// Whoever may write a connection may send its secrets to an endpoint of their own; a backup has
	// everything; members and keys decide who has a say.
	"PUT /v1/connections/{id}":        apikeys.Admin,
	"DELETE /v1/connections/{id}":     apikeys.Admin,
	"POST /v1/backup":                 apikeys.Admin,
	"POST /v1/cluster/members":        apikeys.Admin,
	"DELETE /v1/cluster/members/{id}": apikeys.Admin,
	"POST /v1/cluster/transfer":       apikeys.Admin,
	"POST /v1/keys":                   apikeys.Admin,
	"GET /v1/keys":                    apikeys.Admin,
	"GET /v1/keys/{id}":               apikeys.Admin,
	"DELETE /v1/keys/{id}":            apikeys.Admin,
}

// roleOf is what a route's caller must be.
func roleOf(r *route) apikeys.Role {
	if role, ok := access[r.method+" "+r.pattern]; ok {
		return role
	}
	if r.method == "GET" {
		return apikeys.Read
	}
	return apikeys.Write
}
