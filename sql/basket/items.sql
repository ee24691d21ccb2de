-- One row per level and item: what can lie in a basket, and what one more of it is worth.
-- Items of the level `product` are goods, those of the level `category` their categories, without `Unknown`.
-- `price` of a product is its list price, or where none is known the median of what orders paid for one (one
-- mistyped order would move a mean); that of a category is what an order that holds it spends on it.
-- `margin_rate` comes from the products' costs: a product without one has the rate of all goods with one, and
-- where no cost is known at all the rate is 1 and the price counts in full. `is_offered`: still sold, and not
-- out of stock.
with products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.cost,
        p.is_active and coalesce(p.stock_quantity > 0, true) as is_offered
    from core.products as p
    where p.product_type = 'goods'
),

sold as (
    select
        i.product_id,
        count(*) as orders,
        percentile_cont(0.5) within group (
            order by i.net_sales::double precision / nullif(i.quantity, 0)::double precision
        ) as median_price,
        sum(i.net_sales) as net_sales
    from basket.order_items as i
    group by i.product_id
),

priced as (
    select
        p.product_id,
        p.product_name,
        p.category,
        coalesce(p.price, s.median_price::numeric(18, 4)) as price,
        p.cost,
        p.is_offered,
        coalesce(s.orders, 0) as orders,
        coalesce(s.net_sales, 0) as net_sales
    from products as p
    left join sold as s on p.product_id = s.product_id
),

shop as (
    select (sum(p.price - p.cost) / nullif(sum(p.price), 0))::numeric(9, 6) as margin_rate
    from priced as p
    where p.price > 0 and p.cost is not null
),

valued as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        coalesce(
            case when p.price > 0 then ((p.price - p.cost) / nullif(p.price, 0))::numeric(18, 6) end,
            s.margin_rate,
            1
        ) as margin_rate,
        p.is_offered,
        p.orders,
        p.net_sales
    from priced as p
    cross join shop as s
),

category_orders as (
    select
        i.category,
        count(distinct i.order_id) as orders
    from basket.order_items as i
    group by i.category
),

categories as (
    select
        v.category,
        max(o.orders) as orders,
        sum(v.net_sales) as net_sales,
        sum(v.net_sales * v.margin_rate) as margin,
        max(v.margin_rate) as highest_rate,
        bool_or(v.is_offered) as is_offered
    from valued as v
    left join category_orders as o on v.category = o.category
    where v.category <> 'Unknown'
    group by v.category
),

final as (
    select
        'product' as level,
        v.product_id as item,
        v.product_name as item_name,
        v.orders,
        v.price,
        v.margin_rate::double precision as margin_rate,
        v.is_offered
    from valued as v
    union all
    select
        'category' as level,
        c.category as item,
        c.category as item_name,
        coalesce(c.orders, 0) as orders,
        (c.net_sales / nullif(c.orders, 0))::numeric(18, 4) as price,
        coalesce(c.margin::double precision / nullif(c.net_sales, 0), c.highest_rate) as margin_rate,
        c.is_offered
    from categories as c
)

select * from final
