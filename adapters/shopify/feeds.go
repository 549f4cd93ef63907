package shopify

// The feeds whose place a record CONNECTION/FEED of the table Cursors keeps.
const (
	ordersFeed    = "/shopify-orders"    // Value: ms from which the next sweep asks
	placesFeed    = "/shopify-places"    // Value: ms from which the next sweep of fulfilment orders asks
	catalogueFeed = "/shopify-catalogue" // Value: the number of the last reading of all of it
)
