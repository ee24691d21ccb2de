-- One row per session, bots included: what one device, or else one customer, did without a pause. The rules
-- of where a session begins are those of `core.events`, whose events are counted here; a session lies in one
-- local month and belongs to the local day of its first event, also where it goes on past midnight.
-- Moments and pages are those of interactions; sales that joined the session count as events and purchases.
-- The steps of the funnel are ordered: a view, a cart at or after it, a purchase at or after such a cart.
with events as (
    select
        e.session_id,
        e.occurred_month,
        e.session_position,
        e.actor_id,
        e.device_id,
        e.session_customer_id,
        e.source_session_id,
        e.event_source,
        e.event_type,
        e.product_id,
        e.occurred_at,
        e.occurred_date,
        e.sale_id,
        e.order_id,
        e.value,
        e.page_url,
        e.page_type,
        e.referrer,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign,
        e.source_id
    from core.events as e
    where e.session_id is not null
),

parameters as (
    select p.engaged_seconds
    from core.parameters as p
),

places as (
    select
        e.session_id,
        min(e.session_position) filter (where e.page_url is not null) as first_page,
        max(e.session_position) filter (where e.page_url is not null) as last_page,
        min(e.session_position) filter (where e.page_type is not null) as first_page_type,
        max(e.session_position) filter (where e.page_type is not null) as last_page_type,
        min(e.session_position) filter (
            where e.utm_source is not null or e.utm_medium is not null or e.utm_campaign is not null
        ) as first_campaign,
        min(e.occurred_at) filter (where e.event_type = 'view') as viewed_at
    from events as e
    group by e.session_id
),

viewed_products as (
    select distinct
        e.session_id,
        e.product_id
    from events as e
    where e.event_type = 'view' and e.product_id is not null
),

products as (
    select
        v.session_id,
        count(*) as distinct_products_viewed
    from viewed_products as v
    group by v.session_id
),

sums as (
    select
        e.session_id,
        e.occurred_month as session_month,
        max(e.actor_id) as actor_id,
        max(e.device_id) filter (where e.session_position = 1) as first_device_id,
        max(e.device_id) as last_device_id,
        max(e.session_customer_id) as customer_id,
        max(e.source_session_id) as source_session_id,
        min(e.occurred_at) filter (where e.event_source = 'interaction') as started_at,
        max(e.occurred_at) filter (where e.event_source = 'interaction') as ended_at,
        max(e.occurred_date) filter (where e.session_position = 1) as session_date,
        count(*) as events,
        count(*) filter (where e.event_type = 'visit') as visits,
        count(*) filter (where e.event_type = 'view') as views,
        count(*) filter (where e.event_type = 'search') as searches,
        count(*) filter (where e.event_type = 'cart') as carts,
        count(*) filter (where e.event_type = 'remove_from_cart') as removes,
        count(*) filter (where e.event_type = 'wishlist') as wishlists,
        count(*) filter (where e.event_type = 'checkout') as checkouts,
        count(*) filter (where e.event_type = 'purchase') as purchases,
        max(e.page_url) filter (where e.session_position = p.first_page) as entry_page_url,
        max(e.page_url) filter (where e.session_position = p.last_page) as exit_page_url,
        max(e.page_type) filter (where e.session_position = p.first_page_type) as entry_page_type,
        max(e.page_type) filter (where e.session_position = p.last_page_type) as exit_page_type,
        min(e.occurred_at) filter (
            where e.event_type = 'cart' and e.occurred_at >= p.viewed_at
        ) as carted_at,
        max(e.occurred_at) filter (where e.event_type = 'purchase') as purchased_at,
        max(e.referrer) filter (where e.session_position = 1) as referrer,
        max(e.utm_source) filter (where e.session_position = p.first_campaign) as utm_source,
        max(e.utm_medium) filter (where e.session_position = p.first_campaign) as utm_medium,
        max(e.utm_campaign) filter (where e.session_position = p.first_campaign) as utm_campaign,
        count(distinct e.order_id) filter (where e.sale_id is not null) as orders,
        coalesce(sum(e.value) filter (where e.sale_id is not null), 0) as net_sales,
        max(e.source_id) filter (where e.session_position = 1) as source_id
    from events as e
    inner join places as p on e.session_id = p.session_id
    group by e.session_id, e.occurred_month
),

final as (
    select
        s.session_id,
        s.session_month,
        s.actor_id,
        coalesce(s.first_device_id, s.last_device_id) as device_id,
        s.customer_id,
        s.source_session_id,
        s.started_at,
        s.ended_at,
        s.session_date,
        (extract(epoch from s.ended_at) - extract(epoch from s.started_at))::numeric(18, 1)
            as duration_seconds,
        s.events,
        s.visits,
        s.views,
        s.searches,
        s.carts,
        s.removes,
        s.wishlists,
        s.checkouts,
        s.purchases,
        coalesce(v.distinct_products_viewed, 0) as distinct_products_viewed,
        s.events = 1 and s.purchases = 0 as is_bounce,
        s.ended_at > s.started_at + p.engaged_seconds * interval '1 second'
        or s.visits + s.views >= 2
        or s.purchases > 0 as is_engaged,
        s.entry_page_url,
        s.exit_page_url,
        s.entry_page_type,
        s.exit_page_type,
        s.views > 0 as reached_view,
        s.carted_at is not null as reached_cart,
        coalesce(s.carted_at <= s.purchased_at, false) as reached_purchase,
        s.referrer,
        s.utm_source,
        s.utm_medium,
        s.utm_campaign,
        s.orders,
        s.net_sales,
        s.source_id
    from sums as s
    left join products as v on s.session_id = v.session_id
    cross join parameters as p
)

select * from final
