package shopify

// The operations, by what they are about. The names of their variables are those of the structs
// that are sent as variables.

// Of the shop.
var (
	opShop = query("Shop", Background, 10, `query Shop {
  shop { id name myshopifyDomain currencyCode ianaTimezone }
  currentAppInstallation { id app { id } accessScopes { handle } }
}`)

	opVersions = query("Versions", Background, 5, `query Versions {
  publicApiVersions { handle supported }
}`)

	opLocations = query("Locations", Background, 60, `query Locations($after: String) {
  locations(first: 50, after: $after, includeInactive: true, includeLegacy: true) {
    pageInfo { hasNextPage endCursor }
    nodes { id name isActive fulfillsOnlineOrders isFulfillmentService }
  }
}`)

	opDefineID = mutation("DefineID", sentOnce, `mutation DefineID($definition: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $definition) {
    createdDefinition { id namespace key }
    userErrors { code field message }
  }
}`)
)

// Of stock.
const levelFields = `
fragment LevelFields on InventoryItem {
  id tracked
  inventoryLevel(locationId: $place, includeInactive: true) {
    id isActive updatedAt
    quantities(names: ["available", "committed", "on_hand"]) { name quantity updatedAt }
  }
}`

var (
	opLevels = query("Levels", Ordinary, 60, `query Levels($items: [ID!]!, $place: ID!) {
  nodes(ids: $items) { ... on InventoryItem { ...LevelFields } }
}`+levelFields)

	opAdjust = mutation("Adjust", keyed, `mutation Adjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}`)

	opSet = mutation("Set", keyed, `mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}`)

	opActivate = mutation("Activate", keyed, `mutation Activate($item: ID!, $place: ID!, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $place) @idempotent(key: $key) {
    inventoryLevel { id isActive }
    userErrors { field message }
  }
}`)
)

// Of the catalogue.
const variantFields = `
fragment VariantFields on ProductVariant {
  id sku barcode displayName inventoryPolicy requiresComponents updatedAt
  product { id status }
  inventoryItem { id tracked requiresShipping }
}`

var (
	opVariants = query("Variants", Background, 100, `query Variants($product: ID!, $after: String) {
  product(id: $product) {
    variants(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { ...VariantFields }
    }
  }
}`+variantFields)

	opBulk = mutation("Bulk", sentOnce, `mutation Bulk($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status }
    userErrors { code field message }
  }
}`)

	opBulkState = query("BulkState", Background, 5, `query BulkState($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount url }
}`)
)

// bulkCatalogue is what a bulk operation runs: it has no variables, so it is a document of its own.
const bulkCatalogue = `{
  productVariants {
    edges {
      node {
        id sku barcode displayName inventoryPolicy requiresComponents updatedAt
        product { id status }
        inventoryItem {
          id tracked requiresShipping
          inventoryLevels {
            edges {
              node {
                id isActive updatedAt location { id }
                quantities(names: ["available", "committed", "on_hand"]) { name quantity updatedAt }
              }
            }
          }
        }
      }
    }
  }
}`

// Of orders. A page of a sweep has the first lines of each order; those with more are read alone.
const orderFields = `
fragment OrderFields on Order {
  id name createdAt updatedAt cancelledAt cancelReason test
  sourceName sourceIdentifier tags currencyCode
  app { id }
  customAttributes { key value }
  taxesIncluded
  currentTotalPriceSet { shopMoney { amount } }
  currentSubtotalPriceSet { shopMoney { amount } }
  currentTotalTaxSet { shopMoney { amount } }
  currentShippingPriceSet { shopMoney { amount } }
  shippingAddress { countryCodeV2 provinceCode zip }
  retailLocation { id }
  lineItems(first: $lines, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id sku title quantity currentQuantity unfulfilledQuantity requiresShipping isGiftCard
      originalUnitPriceSet { shopMoney { amount } }
      variant { id inventoryPolicy inventoryItem { id tracked } }
    }
  }
  fulfillments(first: 20) {
    id status createdAt updatedAt
    location { id }
    trackingInfo(first: 5) { company number url }
    fulfillmentLineItems(first: $lines) {
      pageInfo { hasNextPage }
      nodes { quantity lineItem { id } }
    }
  }
  refunds(first: 20) {
    id createdAt
    totalRefundedSet { shopMoney { amount } }
    return { id }
    refundLineItems(first: $lines) {
      pageInfo { hasNextPage }
      nodes { quantity restockType location { id } lineItem { id } }
    }
  }
}`

var (
	opOrders = query("Orders", Background, 300, `query Orders($query: String!, $first: Int!, $page: String, $lines: Int!, $after: String) {
  orders(first: $first, after: $page, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { ...OrderFields }
  }
}`+orderFields)

	opOrder = query("Order", Ordinary, 200, `query Order($id: ID!, $lines: Int!, $after: String) {
  order(id: $id) { ...OrderFields }
}`+orderFields)

	opReturns = query("Returns", Ordinary, 100, `query Returns($id: ID!) {
  order(id: $id) {
    id updatedAt
    returns(first: 20) {
      nodes {
        id status createdAt
        returnLineItems(first: 50) {
          nodes {
            id quantity
            ... on ReturnLineItem {
              returnReasonNote unprocessedQuantity fulfillmentLineItem { id lineItem { id } }
            }
          }
        }
        reverseFulfillmentOrders(first: 5) {
          nodes {
            id
            lineItems(first: 50) {
              nodes {
                id totalQuantity
                fulfillmentLineItem { id lineItem { id } }
                dispositions { id quantity type location { id } }
              }
            }
          }
        }
      }
    }
  }
}`)

	opMoney = query("Money", Ordinary, 30, `query Money($id: ID!) {
  order(id: $id) {
    id currencyCode
    transactions(first: 50) { id kind status gateway amountSet { shopMoney { amount } } }
    refunds(first: 50) { id note }
  }
}`)

	opOrderBySource = query("OrderBySource", Ordinary, 20, `query OrderBySource($query: String!) {
  orders(first: 5, query: $query, sortKey: CREATED_AT, reverse: true) {
    nodes { id name sourceIdentifier app { id } customAttributes { key value } }
  }
}`)

	opOrderByID = query("OrderByID", Ordinary, 5, `query OrderByID($namespace: String!, $key: String!, $value: String!) {
  orderByIdentifier(identifier: {customId: {namespace: $namespace, key: $key, value: $value}}) {
    id name sourceIdentifier
  }
}`)

	opCreateOrder = mutation("CreateOrder", sentOnce, `mutation CreateOrder($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $options) {
    order { id name }
    userErrors { code field message }
  }
}`)

	opCancelOrder = mutation("CancelOrder", sentOnce, `mutation CancelOrder($id: ID!, $reason: OrderCancelReason!, $restock: Boolean!, $note: String) {
  orderCancel(orderId: $id, reason: $reason, restock: $restock, notifyCustomer: false, staffNote: $note) {
    job { id done }
    orderCancelUserErrors { code field message }
  }
}`)

	opJob = query("Job", Ordinary, 5, `query Job($id: ID!) { job(id: $id) { id done } }`)

	opCloseOrder = mutation("CloseOrder", sentOnce, `mutation CloseOrder($id: ID!) {
  orderClose(input: {id: $id}) { order { id closedAt } userErrors { field message } }
}`).repeats()
)

// Of fulfilment.
var (
	opFulfilments = query("Fulfilments", Ordinary, 150, `query Fulfilments($id: ID!) {
  order(id: $id) {
    id updatedAt cancelledAt closedAt
    fulfillmentOrders(first: 30) {
      nodes {
        id status requestStatus
        supportedActions { action }
        assignedLocation { location { id } }
        fulfillmentHolds { id handle reason heldByRequestingApp }
        lineItems(first: 100) {
          nodes { id totalQuantity remainingQuantity inventoryItemId lineItem { id } }
        }
      }
    }
    fulfillments(first: 50) {
      id status createdAt
      location { id }
      trackingInfo(first: 10) { company number url }
      fulfillmentLineItems(first: 100) { nodes { id quantity lineItem { id } } }
    }
  }
}`)

	// Of several orders at once, for a start: those with more parts than a few are read alone.
	opPlaces = query("Places", Background, 200, `query Places($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Order {
      id updatedAt cancelledAt closedAt
      fulfillmentOrders(first: 4) {
        pageInfo { hasNextPage }
        nodes {
          id status
          assignedLocation { location { id } }
          fulfillmentHolds { id handle reason heldByRequestingApp }
          lineItems(first: 10) {
            pageInfo { hasNextPage }
            nodes { id totalQuantity remainingQuantity inventoryItemId lineItem { id } }
          }
        }
      }
    }
  }
}`)

	opGroups = query("Groups", Background, 200, `query Groups($query: String!, $first: Int!, $page: String) {
  fulfillmentOrders(first: $first, after: $page, query: $query) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id status orderId
      assignedLocation { location { id } }
      lineItems(first: 10) {
        nodes { id totalQuantity remainingQuantity inventoryItemId lineItem { id } }
      }
    }
  }
}`)

	opOwner = query("Owner", Ordinary, 5, `query Owner($id: ID!) {
  fulfillmentOrder(id: $id) { id orderId }
}`)

	opReturnOwner = query("ReturnOwner", Ordinary, 5, `query ReturnOwner($id: ID!) {
  return(id: $id) { id order { id } }
}`)

	opReverseOwner = query("ReverseOwner", Ordinary, 5, `query ReverseOwner($id: ID!) {
  reverseFulfillmentOrder(id: $id) { id order { id } }
}`)

	opFulfil = mutation("Fulfil", sentOnce, `mutation Fulfil($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status }
    userErrors { field message }
  }
}`)

	opTracking = mutation("Tracking", sentOnce, `mutation Tracking($id: ID!, $tracking: FulfillmentTrackingInput!) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: false) {
    fulfillment { id status }
    userErrors { field message }
  }
}`).repeats()

	opHold = mutation("Hold", sentOnce, `mutation Hold($id: ID!, $hold: FulfillmentOrderHoldInput!) {
  fulfillmentOrderHold(id: $id, fulfillmentHold: $hold) {
    fulfillmentHold { id handle }
    userErrors { code field message }
  }
}`).repeats()  // the handle is one of a kind

	opRelease = mutation("Release", sentOnce, `mutation Release($id: ID!, $holds: [ID!]) {
  fulfillmentOrderReleaseHold(id: $id, holdIds: $holds) {
    fulfillmentOrder { id status }
    userErrors { code field message }
  }
}`)

	opMove = mutation("Move", sentOnce, `mutation Move($id: ID!, $place: ID!, $items: [FulfillmentOrderLineItemInput!]) {
  fulfillmentOrderMove(id: $id, newLocationId: $place, fulfillmentOrderLineItems: $items) {
    movedFulfillmentOrder { id status }
    userErrors { code field message }
  }
}`)
)

// Of returns and refunds.
var (
	opReturnable = query("Returnable", Ordinary, 60, `query Returnable($order: ID!) {
  returnableFulfillments(orderId: $order, first: 20) {
    nodes {
      id
      returnableFulfillmentLineItems(first: 50) {
        nodes { quantity fulfillmentLineItem { id lineItem { id } } }
      }
    }
  }
}`)

	opCreateReturn = mutation("CreateReturn", sentOnce, `mutation CreateReturn($input: ReturnInput!) {
  returnCreate(returnInput: $input) {
    return { id status }
    userErrors { code field message }
  }
}`)

	opProcessReturn = mutation("ProcessReturn", sentOnce, `mutation ProcessReturn($input: ReturnProcessInput!) {
  returnProcess(input: $input) {
    return { id status }
    userErrors { code field message }
  }
}`)

	opRefund = mutation("Refund", keyed, `mutation Refund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id createdAt }
    userErrors { field message }
  }
}`)
)

// Of webhooks.
var (
	opSubscriptions = query("Subscriptions", Background, 60, `query Subscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id topic uri format filter name apiVersion { handle } }
  }
}`)

	opSubscribe = mutation("Subscribe", sentOnce, `mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id topic uri }
    userErrors { field message }
  }
}`)

	opUnsubscribe = mutation("Unsubscribe", sentOnce, `mutation Unsubscribe($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}`).repeats()
)
