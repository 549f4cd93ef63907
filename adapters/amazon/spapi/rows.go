package spapi

import (
	"errors"
	"strings"
	"time"
)

// The rows of the reports, with the columns that are used and none of a buyer. A row that cannot be
// read says so in Complaint, with all of it that could be: a report has one strange row more often
// than none, and the others must be read.

// OrderRow is a line of an order, of [OrdersReport] and [OrderUpdatesReport].
type OrderRow struct {
	OrderID      string
	MerchantID   string
	Purchased    time.Time
	Updated      time.Time
	Status       string // in the words of Orders 2026-01-01; another one is kept
	FulfilledBy  string // ByMerchant, ByAmazon; another one is kept
	SalesChannel string // Amazon.com, Non-Amazon
	ItemStatus   string
	SellerSKU    string
	ASIN         string
	Quantity     int64
	Currency     string
	Price        string // of all units
	Complaint    string
}

// reportFulfilments are the words of reports.
var reportFulfilments = map[string]string{"Amazon": ByAmazon, "Merchant": ByMerchant, "AFN": ByAmazon,
	"MFN": ByMerchant}

// reportStatuses are the words of reports that notifications do not have.
var reportStatuses = map[string]string{"Shipping": StatusUnshipped,
	"Shipped - Delivered to Buyer": StatusShipped, "Shipped - Picked Up": StatusShipped,
	"Shipped - Out for Delivery": StatusShipped, "Pending - Waiting for Pick Up": StatusUnshipped}

// OrderColumns are the columns without which a report of orders cannot be read.
var OrderColumns = []string{"amazon-order-id", "order-status", "fulfillment-channel", "sku", "quantity"}

// Order reads the row of a report of orders.
func (t *Table) Order() (r OrderRow) {
	status := t.Text("order-status")
	if s, ok := reportStatuses[status]; ok {
		status = s
	} else {
		status = translated(statuses, status)
	}
	r = OrderRow{OrderID: t.Text("amazon-order-id"), MerchantID: t.Text("merchant-order-id"),
		Status: status, FulfilledBy: translated(reportFulfilments, t.Text("fulfillment-channel")),
		SalesChannel: t.Text("sales-channel"), ItemStatus: t.Text("item-status"),
		SellerSKU: t.Text("sku"), ASIN: t.Text("asin"), Currency: t.Text("currency"),
		Price: t.Text("item-price")}
	var e1, e2, e3 error
	r.Purchased, e1 = t.Time("purchase-date")
	r.Updated, e2 = t.Time("last-updated-date")
	r.Quantity, e3 = t.Units("quantity")
	r.Complaint = complaint(r.OrderID != "", e1, e2, e3)
	return r
}

// ShipmentRow is units in a package of an order that Amazon has sent, of [ShipmentsReport].
type ShipmentRow struct {
	OrderID, MerchantID, ShipmentID, ShipmentItemID string
	OrderItemID                                     string
	SellerSKU                                       string
	Quantity                                        int64
	Shipped                                         time.Time
	Carrier, Tracking                               string
	SalesChannel                                    string
	Complaint                                       string
}

// ShipmentColumns are the columns without which a report of shipments cannot be read.
var ShipmentColumns = []string{"amazon-order-id", "shipment-id", "sku", "quantity-shipped"}

// Shipment reads the row of a report of shipments.
func (t *Table) Shipment() (r ShipmentRow) {
	r = ShipmentRow{OrderID: t.Text("amazon-order-id"), MerchantID: t.Text("merchant-order-id"),
		ShipmentID: t.Text("shipment-id"), ShipmentItemID: t.Text("shipment-item-id"),
		OrderItemID: t.Text("amazon-order-item-id"), SellerSKU: t.Text("sku"),
		Carrier: t.Text("carrier"), Tracking: t.Text("tracking-number"),
		SalesChannel: t.Text("sales-channel")}
	var e1, e2 error
	r.Shipped, e1 = t.Time("shipment-date")
	r.Quantity, e2 = t.Units("quantity-shipped")
	r.Complaint = complaint(r.OrderID != "" && r.ShipmentID != "", e1, e2)
	return r
}

// AmazonReturnRow is units that came back to Amazon, of [AmazonReturnsReport].
type AmazonReturnRow struct {
	Returned     time.Time
	OrderID      string
	SellerSKU    string
	FNSKU        string
	Quantity     int64
	Disposition  string // SELLABLE, CUSTOMER_DAMAGED, DEFECTIVE, and others
	Reason       string
	Status       string
	LicencePlate string // of the unit: the key of a row, where there is one
	Complaint    string
}

// AmazonReturnColumns are the columns without which a report of returns to Amazon cannot be read.
var AmazonReturnColumns = []string{"return-date", "order-id", "sku", "quantity", "detailed-disposition"}

// AmazonReturn reads the row of a report of returns to Amazon.
func (t *Table) AmazonReturn() (r AmazonReturnRow) {
	r = AmazonReturnRow{OrderID: t.Text("order-id"), SellerSKU: t.Text("sku"), FNSKU: t.Text("fnsku"),
		Disposition: t.Text("detailed-disposition"), Reason: t.Text("reason"), Status: t.Text("status"),
		LicencePlate: t.Text("license-plate-number")}
	var e1, e2 error
	r.Returned, e1 = t.Time("return-date")
	r.Quantity, e2 = t.Units("quantity")
	r.Complaint = complaint(r.OrderID != "", e1, e2)
	return r
}

// SellerReturnRow is a return to the seller, of [SellerReturnsReport].
type SellerReturnRow struct {
	OrderID   string
	ItemID    string
	RMA       string // Amazon's number of the return
	SellerRMA string
	Requested time.Time
	Status    string
	SellerSKU string
	Quantity  int64
	Delivered time.Time // zero: not yet
	Reason    string
	Refunded  string // amount
	Complaint string
}

// SellerReturnColumns are the columns without which a report of returns to the seller cannot be
// read.
var SellerReturnColumns = []string{"order-id", "merchant-sku", "return-quantity"}

// SellerReturn reads the row of a report of returns to the seller.
func (t *Table) SellerReturn() (r SellerReturnRow) {
	r = SellerReturnRow{OrderID: t.Text("order-id"), ItemID: t.Text("order-item-id"),
		RMA: t.Text("amazon-rma-id"), SellerRMA: t.Text("merchant-rma-id"),
		Status: t.Text("return-request-status"), SellerSKU: t.Text("merchant-sku"),
		Reason: t.Text("return-reason"), Refunded: t.Text("refunded-amount")}
	var e1, e2, e3 error
	r.Requested, e1 = t.Time("return-request-date")
	r.Delivered, e2 = t.Time("return-delivery-date")
	r.Quantity, e3 = t.Units("return-quantity")
	r.Complaint = complaint(r.OrderID != "", e1, e2, e3)
	return r
}

// ListingRow is a listing, of [ListingsReport].
type ListingRow struct {
	SellerSKU string
	ASIN      string
	Barcode   string // where the product is named by its GTIN
	Title     string
	Price     string
	Quantity  string // empty where Amazon holds the stock
	Channel   string // DEFAULT, AMAZON_NA and others
	Status    string
	Complaint string
}

// ListingColumns are the columns without which a report of listings cannot be read.
var ListingColumns = []string{"seller-sku", "fulfillment-channel"}

// barcodeKinds are the kinds of product-id that are barcodes.
var barcodeKinds = map[string]bool{"3": true, "4": true, "UPC": true, "EAN": true}

// Listing reads the row of a report of listings.
func (t *Table) Listing() (r ListingRow) {
	r = ListingRow{SellerSKU: t.Text("seller-sku"), ASIN: t.Text("asin1"), Title: t.Text("item-name"),
		Price: t.Text("price"), Quantity: t.Text("quantity"), Channel: t.Text("fulfillment-channel"),
		Status: t.Text("status")}
	if barcodeKinds[strings.ToUpper(t.Text("product-id-type"))] {
		r.Barcode = t.Text("product-id")
	}
	r.Complaint = complaint(r.SellerSKU != "")
	return r
}

// complaint joins what is wrong with a row.
func complaint(key bool, faults ...error) string {
	err := errors.Join(faults...)
	switch {
	case !key:
		return "the row does not say what it is about"
	case err != nil:
		return err.Error()
	}
	return ""
}
