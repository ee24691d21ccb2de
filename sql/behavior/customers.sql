-- One row per customer with an event: what the customer did in the web shop, and when. Events of a device
-- before its only customer logs in are the customer's, too (core.identities). Events count from the first day
-- with interactions on; customers who only bought without the tracker seeing it are in, with purchases alone.
-- `sessions` and `active_days` count visits, so that they are 0 for those.
with activity as (
    select
        a.customer_id,
        a.event_source,
        a.event_type,
        a.product_id,
        a.occurred_at,
        a.occurred_date
    from core.activity as a
),

tracked as (
    select min(a.occurred_date) as begin_date
    from activity as a
    where a.event_source = 'interaction'
),

products as (
    select
        a.customer_id,
        a.event_type,
        a.product_id,
        count(*) as events,
        min(a.occurred_at) as first_event_at,
        max(a.occurred_at) as last_event_at
    from activity as a
    cross join tracked as t
    where a.customer_id is not null and a.occurred_date >= t.begin_date
    group by a.customer_id, a.event_type, a.product_id
),

counts as (
    select
        p.customer_id,
        sum(p.events) as events,
        coalesce(sum(p.events) filter (where p.event_type = 'visit'), 0) as visits,
        coalesce(sum(p.events) filter (where p.event_type = 'view'), 0) as views,
        coalesce(sum(p.events) filter (where p.event_type = 'search'), 0) as searches,
        coalesce(sum(p.events) filter (where p.event_type = 'cart'), 0) as carts,
        coalesce(sum(p.events) filter (where p.event_type = 'remove_from_cart'), 0) as removes,
        coalesce(sum(p.events) filter (where p.event_type = 'wishlist'), 0) as wishlists,
        coalesce(sum(p.events) filter (where p.event_type = 'checkout'), 0) as checkouts,
        coalesce(sum(p.events) filter (where p.event_type = 'purchase'), 0) as purchases,
        count(p.product_id) filter (where p.event_type = 'view') as products_viewed,
        count(p.product_id) filter (where p.event_type = 'purchase') as products_bought,
        min(p.first_event_at) as first_event_at,
        max(p.last_event_at) as last_event_at
    from products as p
    group by p.customer_id
),

visits as (
    select
        v.customer_id,
        count(*) as sessions,
        count(distinct v.session_date) as active_days
    from core.visits as v
    where v.customer_id is not null
    group by v.customer_id
),

final as (
    select
        n.customer_id,
        coalesce(v.sessions, 0) as sessions,
        coalesce(v.active_days, 0) as active_days,
        n.events,
        n.visits,
        n.views,
        n.searches,
        n.carts,
        n.removes,
        n.wishlists,
        n.checkouts,
        n.purchases,
        n.products_viewed,
        n.products_bought,
        n.first_event_at,
        n.last_event_at
    from counts as n
    left join visits as v on n.customer_id = v.customer_id
)

select * from final
