-- One row per event of a visitor, known robots left out, up to the as-of date: core.events with the
-- attributes of visitor, device, product and shop, the merged data set. All events of a session have its
-- visitor (see core.visits), also those before the login. Sales that no event of a visitor announced are here
-- with event_source `sale`, but not those of a shop with a door: nobody visited for them.
with events as (
    select
        e.event_id,
        e.event_source,
        e.customer_id,
        e.device_id,
        e.product_id,
        e.event_type,
        e.step_rank,
        e.occurred_at,
        e.occurred_date,
        e.occurred_month,
        e.session_id,
        e.session_position,
        e.actor_id,
        e.session_customer_id,
        e.sale_id,
        e.order_id,
        e.store_id,
        e.quantity,
        e.value,
        e.page_url,
        e.page_type,
        e.duration_seconds,
        e.dwell_seconds,
        e.dwell_is_capped,
        e.referrer,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign,
        e.is_product_missing,
        e.source_id
    from core.events as e
),

clock as (
    select k.as_of_date
    from core.clock as k
),

devices as (
    select
        d.device_id,
        d.device_type,
        d.location,
        d.is_bot
    from core.devices as d
),

identities as (
    select
        'device:' || i.identity_value as actor_id,
        i.customer_id
    from core.identities as i
    where i.identity_type = 'device'
),

customers as (
    select
        c.customer_id,
        c.location
    from core.customers as c
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.product_type,
        p.price
    from core.products as p
),

stores as (
    select
        s.store_id,
        s.channel
    from core.stores as s
),

final as (
    select
        e.event_id,
        e.event_source,
        coalesce(e.session_customer_id, e.customer_id, i.customer_id, e.actor_id) as visitor_id,
        coalesce(e.session_customer_id, e.customer_id, i.customer_id) as customer_id,
        e.device_id,
        coalesce(d.device_type, 'unknown') as device_type,
        coalesce(nullif(c.location, 'Unknown'), d.location, 'Unknown') as location,
        e.product_id,
        p.product_name,
        p.category,
        p.product_type,
        p.price,
        e.event_type,
        e.step_rank,
        e.occurred_at,
        e.occurred_date,
        e.occurred_month,
        e.session_id,
        e.session_position,
        e.sale_id,
        e.order_id,
        e.store_id,
        s.channel as store_channel,
        e.quantity,
        e.value,
        e.page_url,
        e.page_type,
        e.duration_seconds,
        e.dwell_seconds,
        e.dwell_is_capped,
        e.referrer,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign,
        e.is_product_missing,
        e.source_id
    from events as e
    inner join clock as k on e.occurred_date <= k.as_of_date
    left join devices as d on e.device_id = d.device_id
    left join identities as i on e.actor_id = i.actor_id
    left join customers as c on coalesce(e.session_customer_id, e.customer_id, i.customer_id) = c.customer_id
    left join products as p on e.product_id = p.product_id
    left join stores as s on e.store_id = s.store_id
    where not coalesce(d.is_bot, false)
        and (e.event_source = 'interaction' or coalesce(s.channel, 'online') <> 'store')
)

select * from final
