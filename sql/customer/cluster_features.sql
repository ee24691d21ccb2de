-- One row per scored customer of `customer.rfm`: what customers are clustered by, in their own units. Recency,
-- frequency and monetary value are those of `customer.rfm`, within its window; everything else is over all
-- history. Sessions are those in which the customer is known, by name or by a device of one owner; they are
-- counted from the day on which the customer was first seen (session or order), and from thirty days at least,
-- so that the first visit of a new customer is no daily habit. Orders of all shops count.
with clock as (
    select c.as_of_date
    from core.clock as c
),

scored as (
    select
        r.customer_id,
        r.recency_days,
        r.frequency,
        r.monetary,
        r.first_order_date
    from customer.rfm as r
    where r.is_scored
),

visits as (
    select
        v.customer_id,
        min(v.session_date) as first_session_date,
        count(*) as sessions,
        count(*) filter (where v.carts > 0) as cart_sessions
    from core.visits as v
    where v.customer_id is not null
    group by v.customer_id
),

orders as (
    select
        o.customer_id,
        count(*) as orders,
        sum(o.order_value) as ordered_value
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

discounts as (
    select
        t.customer_id,
        count(*) as discounted_orders
    from kpi.order_traits as t
    where t.customer_id is not null and t.is_discounted
    group by t.customer_id
),

categories as (
    select
        f.customer_id,
        count(*) as categories
    from customer.category_features as f
    where f.orders > 0
    group by f.customer_id
),

intervals as (
    select
        i.customer_id,
        i.median_days_between_orders
    from customer.order_intervals as i
),

merged as (
    select
        s.customer_id,
        s.recency_days,
        s.frequency,
        s.monetary,
        coalesce(v.sessions, 0) as sessions,
        coalesce(v.cart_sessions, 0) as cart_sessions,
        greatest(c.as_of_date - least(s.first_order_date, v.first_session_date) + 1, 30) as seen_days,
        coalesce(k.categories, 0) as categories,
        o.orders,
        coalesce(d.discounted_orders, 0) as discounted_orders,
        c.as_of_date - s.first_order_date as tenure_days,
        i.median_days_between_orders,
        o.ordered_value
    from scored as s
    cross join clock as c
    inner join orders as o on s.customer_id = o.customer_id
    left join visits as v on s.customer_id = v.customer_id
    left join discounts as d on s.customer_id = d.customer_id
    left join categories as k on s.customer_id = k.customer_id
    left join intervals as i on s.customer_id = i.customer_id
),

final as (
    select
        m.customer_id,
        m.recency_days,
        m.frequency,
        m.monetary,
        m.sessions,
        m.seen_days,
        (30 * m.sessions)::double precision / nullif(m.seen_days, 0) as sessions_per_30_days,
        m.cart_sessions,
        m.cart_sessions::double precision / nullif(m.sessions, 0) as cart_rate,
        m.categories,
        m.orders,
        m.discounted_orders,
        m.discounted_orders::double precision / nullif(m.orders, 0) as discount_share,
        m.tenure_days,
        m.median_days_between_orders,
        m.ordered_value,
        m.ordered_value / nullif(m.orders, 0) as aov
    from merged as m
)

select * from final
