-- One row per category of goods: what people want of it in the last days, against what is on offer.
-- `interested` counts people and products: everybody who viewed, wished for, carted or bought a product, once
-- for each product, in all shops; a guest's order is a person of its own. Supply is the active products now.
-- `demand_index` is the interest per active product against that of the whole shop: 2 is twice as much. Its
-- interval takes the products as drawn from such products as one could add. A category is `under_supplied`
-- if the index is at least core.parameters.assortment_imbalance and its whole interval is above 1,
-- `over_supplied` if it is at most the inverse and the interval below 1 or nobody was interested, else
-- `balanced`; without enough products or interest, and where no category is known, `not_enough_data`.
-- `products_gap` says how many products more or less would give the category the shop's interest per product.
-- An order or a customer counts in each of its categories; shares are of such counts and add up to 1.
with clock as (
    select
        c.as_of_date,
        c.as_of_date - p.assortment_days + 1 as begins,
        c.currency,
        p.assortment_imbalance,
        p.assortment_min_products,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

goods as (
    select
        p.product_id,
        p.category,
        p.is_active,
        p.stock_quantity
    from core.products as p
    where p.product_type = 'goods'
),

acts as (
    select
        a.product_id,
        coalesce(a.visitor_id, 'order:' || a.order_id, a.event_id) as person,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'cart') as carts
    from core.activity as a
    cross join clock as c
    where a.event_type in ('view', 'wishlist', 'cart', 'purchase')
        and a.product_id is not null
        and a.occurred_date >= c.begins
    group by a.product_id, coalesce(a.visitor_id, 'order:' || a.order_id, a.event_id)
),

lines as (
    select
        s.product_id,
        s.order_id,
        s.customer_id,
        s.store_id,
        s.line_type,
        s.net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.sold_date between c.begins and c.as_of_date
),

people as (
    select
        a.product_id,
        a.person
    from acts as a
    union
    select
        l.product_id,
        coalesce(l.customer_id, 'order:' || l.order_id) as person
    from lines as l
    inner join core.stores as s on l.store_id = s.store_id
    where l.line_type = 'sale' and s.channel = 'store'
),

interest as (
    select
        p.product_id,
        count(*) as interested
    from people as p
    group by p.product_id
),

clicks as (
    select
        a.product_id,
        sum(a.views) as views,
        sum(a.carts) as carts
    from acts as a
    group by a.product_id
),

products as (
    select
        g.category,
        case when g.is_active then 1 else 0 end as active,
        case when g.is_active and g.stock_quantity <= 0 then 1 else 0 end as out_of_stock,
        coalesce(i.interested, 0) as interested,
        coalesce(k.views, 0) as views,
        coalesce(k.carts, 0) as carts
    from goods as g
    left join interest as i on g.product_id = i.product_id
    left join clicks as k on g.product_id = k.product_id
),

sold as (
    select
        g.category,
        count(distinct l.order_id) filter (where l.line_type = 'sale') as orders,
        count(distinct l.customer_id) filter (where l.line_type = 'sale') as customers,
        sum(l.net_sales) as net_sales
    from lines as l
    inner join goods as g on l.product_id = g.product_id
    group by g.category
),

shelves as (
    select
        p.category,
        sum(p.active)::bigint as active_products,
        sum(p.out_of_stock)::bigint as products_out_of_stock,
        count(*) filter (where p.active = 1 and p.interested = 0) as products_without_demand,
        sum(p.interested)::bigint as interested,
        sum(p.interested * p.interested)::double precision as squares,
        (sum(p.interested) filter (where p.active = 1))::double precision as active_interested,
        sum(p.views)::bigint as views,
        sum(p.carts)::bigint as carts
    from products as p
    group by p.category
),

counted as (
    select
        h.category,
        h.active_products,
        h.products_out_of_stock,
        h.products_without_demand,
        h.interested,
        h.squares,
        coalesce(h.active_interested, 0) as active_interested,
        h.views,
        h.carts,
        coalesce(s.orders, 0) as orders,
        coalesce(s.customers, 0) as customers,
        coalesce(s.net_sales, 0) as net_sales
    from shelves as h
    left join sold as s on h.category = s.category
    where h.active_products > 0 or h.interested > 0 or s.category is not null
),

totals as (
    select
        sum(c.active_products)::bigint as active_products,
        sum(c.interested)::bigint as interested,
        sum(c.squares order by c.category) as squares,
        sum(c.active_interested order by c.category) as active_interested,
        sum(c.views)::bigint as views,
        sum(c.carts)::bigint as carts,
        sum(c.orders)::bigint as orders,
        sum(c.customers)::bigint as customers,
        sum(c.net_sales) as net_sales
    from counted as c
),

means as (
    select
        c.category,
        c.active_products,
        c.interested,
        c.squares,
        c.active_interested,
        t.active_products as all_products,
        t.interested as all_interested,
        t.squares as all_squares,
        t.active_interested as all_active_interested,
        c.interested::double precision / nullif(c.active_products, 0) as mean,
        t.interested::double precision / nullif(t.active_products, 0) as all_mean
    from counted as c
    cross join totals as t
),

-- sums of products of residuals around the means: of the category, of it with the shop, of the shop
residuals as (
    select
        m.category,
        m.active_products,
        m.interested,
        m.all_interested,
        m.mean / nullif(m.all_mean, 0) as demand_index,
        m.interested = m.all_interested and m.active_products = m.all_products as is_all,
        m.squares - 2 * m.mean * m.active_interested + m.mean * m.mean * m.active_products as own,
        m.squares - (m.mean + m.all_mean) * m.active_interested
        + m.mean * m.all_mean * m.active_products as crossed,
        m.all_squares - 2 * m.all_mean * m.all_active_interested
        + m.all_mean * m.all_mean * m.all_products as whole,
        m.all_mean * m.active_products as expected
    from means as m
),

errors as (
    select
        r.category,
        r.demand_index,
        r.expected,
        case
            when r.active_products < 2 or r.interested = 0 then null
            when r.is_all then 0
            else sqrt(
                greatest(
                    r.own / nullif(r.interested::double precision * r.interested, 0)
                    - 2 * r.crossed / nullif(r.interested::double precision * r.all_interested, 0)
                    + r.whole / nullif(r.all_interested::double precision * r.all_interested, 0),
                    0
                ) * (r.active_products::double precision / nullif(r.active_products - 1, 0))
            )
        end as standard_error
    from residuals as r
),

judged as (
    select
        e.category,
        e.demand_index,
        case
            when e.standard_error is not null
                then e.demand_index * exp(greatest(-c.z * e.standard_error, -700))
        end as ci_low,
        case
            when e.standard_error is not null then e.demand_index * exp(least(c.z * e.standard_error, 700))
        end as ci_high,
        n.active_products < c.assortment_min_products
        or coalesce(greatest(n.interested, e.expected), 0) < c.min_group_size as low_n
    from errors as e
    inner join counted as n on e.category = n.category
    cross join clock as c
),

final as (
    select
        n.category,
        n.active_products,
        n.active_products::double precision / nullif(t.active_products, 0) as product_share,
        n.products_out_of_stock,
        n.products_without_demand,
        n.interested,
        n.interested::double precision / nullif(t.interested, 0) as demand_share,
        n.views,
        n.views::double precision / nullif(t.views, 0) as view_share,
        n.carts,
        n.carts::double precision / nullif(t.carts, 0) as cart_share,
        n.orders,
        n.orders::double precision / nullif(t.orders, 0) as order_share,
        n.customers,
        n.customers::double precision / nullif(t.customers, 0) as customer_share,
        n.net_sales,
        n.net_sales::double precision / nullif(t.net_sales::double precision, 0) as net_sales_share,
        n.interested::double precision / nullif(n.active_products, 0) as demand_per_product,
        n.orders::double precision / nullif(n.interested, 0) as orders_per_interested,
        j.demand_index,
        j.ci_low,
        j.ci_high,
        case
            when n.category <> 'Unknown' and not j.low_n
                then round(
                    (n.interested::double precision * t.active_products / nullif(t.interested, 0))
                    ::numeric(18, 6),
                    0
                )::bigint - n.active_products
        end as products_gap,
        j.low_n,
        case
            when n.category = 'Unknown' or j.low_n or j.demand_index is null then 'not_enough_data'
            when n.interested = 0 then 'over_supplied'
            when j.demand_index >= c.assortment_imbalance and j.ci_low > 1 then 'under_supplied'
            when j.demand_index * c.assortment_imbalance <= 1 and j.ci_high < 1 then 'over_supplied'
            else 'balanced'
        end as verdict,
        c.currency
    from counted as n
    cross join totals as t
    cross join clock as c
    inner join judged as j on n.category = j.category
)

select * from final
