// Package storm proves, over real HTTP and with three nodes in one process, that a shop and the ledger
// end equal whatever happened between them: webhooks lost, doubled and out of order, leaders killed,
// calls throttled or cut off, and people who edit stock and orders meanwhile.
//
// [Run] is the storm: one shop, many orders, and checks that hold every number of both sides against
// each other. [Race] lets two shops and a client of the API sell the same units.
//
// Nothing here looks into a node or into the simulator: both are asked as anybody may ask them.
package storm
