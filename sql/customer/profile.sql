-- One row per customer: who they are, their devices, visits, orders, favourite categories, segments and
-- consent. The merged view of all data sets for one customer, every attribute once: read this one first.
-- Visits are those in which the customer is known, by name or by a device of one owner; known robots are left
-- out. Orders and money are those up to the as-of date, returns deducted from net sales on their own day.
-- Days are absolute: subtract them from `core.clock.as_of_date` for how long ago.
with customers as (
    select
        m.customer_id,
        m.gender,
        m.age,
        m.age_group,
        m.location,
        m.country_code,
        m.join_date,
        m.subscription_status,
        m.marketing_consent,
        m.is_inferred,
        m.source_id
    from core.customers as m
),

types as (
    select
        v.customer_id,
        v.device_type,
        count(*) as sessions
    from core.visits as v
    where v.customer_id is not null
    group by v.customer_id, v.device_type
),

main_types as (
    select
        t.customer_id,
        t.device_type,
        row_number() over (partition by t.customer_id order by t.sessions desc, t.device_type) as place
    from types as t
),

visits as (
    select
        v.customer_id,
        count(*) as sessions,
        count(distinct v.device_id) as devices,
        min(v.session_date) as first_session_date,
        max(v.session_date) as last_session_date,
        sum(v.views) as views,
        sum(v.carts) as carts,
        count(*) filter (where v.purchases > 0) as sessions_with_purchase
    from core.visits as v
    where v.customer_id is not null
    group by v.customer_id
),

carts as (
    select
        a.customer_id,
        count(distinct a.session_id) as abandoned_carts,
        max((a.ended_at at time zone p.timezone)::date) as last_abandoned_date
    from behavior.abandoned_carts as a
    cross join core.parameters as p
    where a.customer_id is not null
    group by a.customer_id
),

orders as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where t.is_discounted) as discounted_orders,
        min(o.order_date) as first_order_date,
        max(o.order_date) as last_order_date,
        sum(o.units) as units,
        sum(o.order_value) as ordered_value
    from core.orders as o
    cross join core.clock as c
    left join kpi.order_traits as t on o.order_id = t.order_id
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        count(distinct s.product_id) filter (where s.line_type = 'sale') as products,
        sum(s.returns) as returns,
        sum(s.net_sales) as net_sales,
        count(s.review_rating) filter (where s.line_type = 'sale') as ratings,
        sum(s.review_rating) filter (where s.line_type = 'sale') as rating_sum
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

categories as (
    select
        f.customer_id,
        count(*) filter (where f.orders > 0) as categories,
        max(f.category) filter (where f.is_top_category) as top_category,
        max(f.affinity_lift) filter (where f.is_top_category) as top_category_lift
    from customer.category_features as f
    group by f.customer_id
),

top_revenue as (
    select h.customer_id
    from customer.spending as h
    where h.is_top_revenue
),

final as (
    select
        m.customer_id,
        m.gender,
        m.age,
        m.age_group,
        m.location,
        m.country_code,
        m.join_date,
        m.subscription_status,
        m.marketing_consent,
        m.is_inferred,
        coalesce(v.devices, 0) as devices,
        t.device_type as main_device_type,
        coalesce(v.sessions, 0) as sessions,
        coalesce(v.sessions_with_purchase, 0) as sessions_with_purchase,
        v.first_session_date,
        v.last_session_date,
        coalesce(v.views, 0) as views,
        coalesce(v.carts, 0) as carts,
        coalesce(a.abandoned_carts, 0) as abandoned_carts,
        a.last_abandoned_date,
        coalesce(o.orders, 0) as orders,
        coalesce(o.discounted_orders, 0) as discounted_orders,
        o.first_order_date,
        o.last_order_date,
        coalesce(o.units, 0) as units,
        coalesce(o.ordered_value, 0) as ordered_value,
        (o.ordered_value / nullif(o.orders, 0))::numeric(18, 4) as aov,
        coalesce(s.returns, 0) as returns,
        coalesce(s.net_sales, 0) as net_sales,
        coalesce(s.products, 0) as products,
        coalesce(s.ratings, 0) as ratings,
        (s.rating_sum / nullif(s.ratings, 0))::numeric(18, 4) as rating_average,
        coalesce(k.categories, 0) as categories,
        k.top_category,
        k.top_category_lift,
        i.median_days_between_orders,
        i.next_order_due_date,
        i.frequency_class,
        r.segment as rfm_segment,
        r.rfm_score,
        l.loyalty_segment,
        e.engagement_segment,
        g.preference_group,
        g.location_group,
        g.habit_group,
        g.is_discount_only,
        h.customer_id is not null as is_top_revenue,
        y.currency,
        m.source_id
    from customers as m
    cross join core.clock as y
    left join main_types as t on m.customer_id = t.customer_id and t.place = 1
    left join visits as v on m.customer_id = v.customer_id
    left join carts as a on m.customer_id = a.customer_id
    left join orders as o on m.customer_id = o.customer_id
    left join sales as s on m.customer_id = s.customer_id
    left join categories as k on m.customer_id = k.customer_id
    left join customer.order_intervals as i on m.customer_id = i.customer_id
    left join customer.rfm as r on m.customer_id = r.customer_id
    left join customer.loyalty as l on m.customer_id = l.customer_id
    left join customer.engagement as e on m.customer_id = e.customer_id
    left join customer.groups as g on m.customer_id = g.customer_id
    left join top_revenue as h on m.customer_id = h.customer_id
)

select * from final
