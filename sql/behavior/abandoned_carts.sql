-- One row per session and product that the visitor left in the cart.
-- A cart is abandoned if, at the end of the session, more of a product was put in than taken out, the visitor
-- bought nothing at or after the last time such a product was put in, and nothing in the grace time after the
-- session; it stands here once that time is over. Left is what was put in, less what was taken out and what
-- was bought of it in the session; events without a quantity count as one. The value takes the price of the
-- cart events, or else the list price now. `is_recovered` tells that the visitor bought this product in the
-- recovery time after the session; while that runs, `is_mature` is false and the answer may still change.
-- Carts whose event names no product are left out.
with clock as (
    select
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.cart_grace_hours * interval '1 hour' as grace,
        p.cart_recovery_days * interval '24 hours' as recovery
    from core.clock as c
    cross join core.parameters as p
),

visits as (
    select
        v.session_id,
        v.session_month,
        v.visitor_id,
        v.customer_id,
        v.device_type,
        v.location,
        v.channel,
        v.ended_at
    from core.visits as v
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price
    from core.products as p
),

events as (
    select
        a.visitor_id,
        a.session_id,
        a.product_id,
        a.event_type,
        a.occurred_at,
        coalesce(a.quantity, 1) as quantity,
        a.value
    from core.activity as a
    where a.event_type in ('cart', 'remove_from_cart', 'purchase') and a.product_id is not null
),

lines as (
    select
        e.session_id,
        e.product_id,
        max(e.occurred_at) filter (where e.event_type = 'cart') as carted_at,
        sum(case e.event_type when 'cart' then e.quantity when 'remove_from_cart' then -e.quantity else 0 end)
            as net_quantity,
        coalesce(sum(e.quantity) filter (where e.event_type = 'purchase'), 0) as bought_quantity,
        sum(e.quantity) filter (where e.event_type = 'cart' and e.value is not null) as priced_quantity,
        sum(e.value) filter (where e.event_type = 'cart') as priced_value
    from events as e
    where e.session_id is not null
    group by e.session_id, e.product_id
),

filled as (
    select
        l.session_id,
        l.product_id,
        l.carted_at,
        l.net_quantity - l.bought_quantity as left_quantity,
        l.priced_quantity,
        l.priced_value
    from lines as l
    where l.carted_at is not null and l.net_quantity > 0
),

carts as (
    select
        f.session_id,
        v.visitor_id,
        max(f.carted_at) as last_cart_at,
        max(v.ended_at) as ended_at
    from filled as f
    inner join visits as v on f.session_id = v.session_id
    group by f.session_id, v.visitor_id
),

-- the next purchase of the visitor after the last cart event
walks as (
    select
        c.visitor_id,
        c.session_id,
        c.last_cart_at as occurred_at,
        1 as step,
        c.ended_at
    from carts as c
    union all
    select
        e.visitor_id,
        null as session_id,
        e.occurred_at,
        2 as step,
        null as ended_at
    from events as e
    where e.event_type = 'purchase' and e.visitor_id is not null
),

seen as (
    select
        w.session_id,
        w.ended_at,
        min(case when w.step = 2 then w.occurred_at end) over (
            partition by w.visitor_id order by w.occurred_at, w.step
            rows between current row and unbounded following
        ) as next_purchase_at
    from walks as w
),

abandoned as (
    select
        s.session_id,
        s.ended_at
    from seen as s
    cross join clock as c
    where s.session_id is not null
        and s.ended_at + c.grace <= c.data_end_at
        and coalesce(s.next_purchase_at > s.ended_at + c.grace, true)
),

left_behind as (
    select
        f.session_id,
        f.product_id,
        v.visitor_id,
        f.carted_at,
        a.ended_at,
        f.left_quantity,
        f.priced_quantity,
        f.priced_value
    from filled as f
    inner join abandoned as a on f.session_id = a.session_id
    inner join visits as v on f.session_id = v.session_id
    where f.left_quantity > 0
),

-- the next purchase of the same product by the visitor
returns as (
    select
        l.visitor_id,
        l.product_id,
        l.session_id,
        l.ended_at as occurred_at,
        1 as step
    from left_behind as l
    union all
    select
        e.visitor_id,
        e.product_id,
        null as session_id,
        e.occurred_at,
        2 as step
    from events as e
    where e.event_type = 'purchase' and e.visitor_id is not null
),

returned as (
    select
        r.session_id,
        r.product_id,
        r.occurred_at as ended_at,
        min(case when r.step = 2 then r.occurred_at end) over (
            partition by r.visitor_id, r.product_id order by r.occurred_at, r.step
            rows between current row and unbounded following
        ) as next_purchase_at
    from returns as r
),

recovered as (
    select
        r.session_id,
        r.product_id,
        r.next_purchase_at
    from returned as r
    cross join clock as c
    where r.session_id is not null and r.next_purchase_at <= r.ended_at + c.recovery
),

final as (
    select
        l.session_id,
        l.product_id,
        p.product_name,
        p.category,
        v.session_month as month,
        v.visitor_id,
        v.customer_id,
        v.device_type,
        v.location,
        v.channel,
        l.carted_at,
        l.ended_at,
        l.left_quantity as quantity,
        case
            when l.priced_quantity > 0
                then (l.left_quantity * l.priced_value / nullif(l.priced_quantity, 0))::numeric(18, 4)
            else (l.left_quantity * p.price)::numeric(18, 4)
        end as value,
        r.next_purchase_at is not null as is_recovered,
        r.next_purchase_at as recovered_at,
        l.ended_at + c.recovery <= c.data_end_at as is_mature
    from left_behind as l
    cross join clock as c
    inner join visits as v on l.session_id = v.session_id
    inner join products as p on l.product_id = p.product_id
    left join recovered as r on l.session_id = r.session_id and l.product_id = r.product_id
)

select * from final
