// Package scope says what Holdfast will and will not do for a merchant, from three export files and
// before any credential: the products of a Shopify shop, the listings of an Amazon account, one file a
// marketplace, and the items of NetSuite; or from what its connections list.
//
// It only reads and counts. What it takes two things for the same by is said with each, because the
// mapping that is written later is the merchant's decision. Begin at [Survey] and [Live].
package scope
