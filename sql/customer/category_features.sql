-- One row per customer and category in which the customer viewed, carted, wished for or bought something.
-- Purchases are those of every shop, from the sales lines; views, carts and wishes are those of visits in
-- which the customer is known, by name or by a device of one owner. Counts and money hold products of every
-- type, so that net sales over the categories are those of the customer; the interest score holds goods
-- alone, because postage tells nothing about taste. `affinity_lift` compares the category's part of the
-- customer's interest with its part of everybody's, drawn towards 1 where little is known: above 1 the
-- customer likes it more than others do.
with weights as (
    select
        p.weight_view,
        p.weight_wishlist,
        p.weight_cart,
        p.weight_purchase,
        5 as smoothing
    from core.parameters as p
),

products as (
    select
        p.product_id,
        p.category,
        p.product_type = 'goods' as is_goods
    from core.products as p
),

bought as (
    select
        s.customer_id,
        s.order_id,
        s.product_id,
        bool_or(s.line_type = 'sale') as is_sold,
        coalesce(sum(s.quantity) filter (where s.line_type = 'sale'), 0) as units,
        sum(s.net_sales) as net_sales,
        min(s.sold_date) as first_date,
        max(s.sold_date) filter (where s.line_type = 'sale') as last_purchase_date
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id, s.order_id, s.product_id
),

purchases as (
    select
        b.customer_id,
        p.category,
        count(distinct b.order_id) filter (where b.is_sold) as orders,
        count(*) filter (where b.is_sold and p.is_goods) as purchases,
        sum(b.units) as units,
        sum(b.net_sales) as net_sales,
        max(b.last_purchase_date) as last_purchase_date
    from bought as b
    inner join products as p on b.product_id = p.product_id
    group by b.customer_id, p.category
),

clicks as (
    select
        a.customer_id,
        a.category,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'cart') as carts,
        count(*) filter (where a.event_type = 'wishlist') as wishlists,
        count(*) filter (where a.event_type = 'view' and a.product_type = 'goods') as goods_views,
        count(*) filter (where a.event_type = 'cart' and a.product_type = 'goods') as goods_carts,
        count(*) filter (where a.event_type = 'wishlist' and a.product_type = 'goods') as goods_wishlists,
        count(a.dwell_seconds) as measured_views,
        sum(a.dwell_seconds) as dwell_seconds
    from core.activity as a
    where a.customer_id is not null
        and a.category is not null
        and a.event_type in ('view', 'cart', 'wishlist')
    group by a.customer_id, a.category
),

events as (
    select
        a.customer_id,
        min(a.occurred_date) as first_date
    from core.activity as a
    where a.customer_id is not null
    group by a.customer_id
),

first_purchases as (
    select
        b.customer_id,
        min(b.first_date) as first_date
    from bought as b
    group by b.customer_id
),

beginnings as (
    select
        coalesce(e.customer_id, p.customer_id) as customer_id,
        least(e.first_date, p.first_date) as first_activity_date
    from events as e
    full join first_purchases as p on e.customer_id = p.customer_id
),

merged as (
    select
        coalesce(p.customer_id, k.customer_id) as customer_id,
        coalesce(p.category, k.category) as category,
        coalesce(k.views, 0) as views,
        coalesce(k.carts, 0) as carts,
        coalesce(k.wishlists, 0) as wishlists,
        coalesce(p.orders, 0) as orders,
        coalesce(p.units, 0) as units,
        coalesce(p.net_sales, 0) as net_sales,
        coalesce(k.measured_views, 0) as measured_views,
        k.dwell_seconds,
        p.last_purchase_date,
        coalesce(k.goods_views, 0) * w.weight_view
        + coalesce(k.goods_wishlists, 0) * w.weight_wishlist
        + coalesce(k.goods_carts, 0) * w.weight_cart
        + coalesce(p.purchases, 0) * w.weight_purchase as interest_score,
        w.smoothing
    from purchases as p
    full join clicks as k on p.customer_id = k.customer_id and p.category = k.category
    cross join weights as w
),

population as (
    select
        m.category,
        sum(m.interest_score)::double precision / nullif(sum(sum(m.interest_score)) over (), 0)
            as interest_share
    from merged as m
    group by m.category
),

scored as (
    select
        m.customer_id,
        m.category,
        m.views,
        m.carts,
        m.wishlists,
        m.orders,
        m.units,
        m.net_sales,
        m.measured_views,
        m.dwell_seconds,
        m.last_purchase_date,
        m.interest_score,
        sum(m.interest_score) over (partition by m.customer_id) as customer_interest_score,
        row_number() over (
            partition by m.customer_id
            order by m.interest_score desc, m.last_purchase_date desc nulls last, m.category
        ) as rank,
        m.smoothing
    from merged as m
),

final as (
    select
        s.customer_id,
        s.category,
        s.rank,
        s.rank = 1 and s.interest_score > 0 as is_top_category,
        s.views,
        s.carts,
        s.wishlists,
        s.orders,
        greatest(
            extract(year from age(c.as_of_date, b.first_activity_date)) * 12
            + extract(month from age(c.as_of_date, b.first_activity_date)),
            1
        )::int as months_observed,
        s.orders::double precision / nullif(
            greatest(
                extract(year from age(c.as_of_date, b.first_activity_date)) * 12
                + extract(month from age(c.as_of_date, b.first_activity_date)),
                1
            )::int,
            0
        ) as orders_per_month,
        s.units,
        s.net_sales,
        s.measured_views,
        s.dwell_seconds::double precision / nullif(s.measured_views, 0) as mean_dwell_seconds,
        s.last_purchase_date,
        s.interest_score,
        s.customer_interest_score,
        s.interest_score::double precision / nullif(s.customer_interest_score, 0) as interest_share,
        p.interest_share as population_interest_share,
        (s.interest_score + s.smoothing * p.interest_share)
        / nullif((s.customer_interest_score + s.smoothing) * p.interest_share, 0) as affinity_lift,
        c.currency
    from scored as s
    cross join core.clock as c
    left join beginnings as b on s.customer_id = b.customer_id
    left join population as p on s.category = p.category
)

select * from final
