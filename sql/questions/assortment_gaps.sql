-- What does our assortment lack, and of what is there too much?
-- Categories by what people want of them in the last 90 days (core.parameters.assortment_days), against how
-- many products are on offer: `demand_index` 2 is twice the interest per product of the whole shop. First
-- those with clearly too few products (`under_supplied`), then those with too many, then the others, by the
-- size of the gap: `products_gap` products more or less would bring the interest per product to that of the
-- shop. Look at `orders_per_interested` too: much interest that seldom becomes an order asks for other
-- products of the category rather than for more of them.
with ordered as (
    select
        f.category,
        f.verdict,
        f.demand_index,
        f.ci_low,
        f.ci_high,
        f.active_products,
        f.products_gap,
        f.products_out_of_stock,
        f.products_without_demand,
        f.demand_share,
        f.product_share,
        f.net_sales_share,
        f.interested,
        f.orders,
        f.orders_per_interested,
        case f.verdict
            when 'under_supplied' then 1
            when 'over_supplied' then 2
            when 'balanced' then 3
            else 4
        end as sort_order
    from behavior.assortment_fit as f
),

final as (
    select
        row_number() over (
            order by o.sort_order, abs(o.products_gap) desc nulls last, o.interested desc, o.category
        ) as rank,
        o.category,
        o.verdict,
        o.demand_index,
        o.ci_low,
        o.ci_high,
        o.active_products,
        o.products_gap,
        o.products_out_of_stock,
        o.products_without_demand,
        o.demand_share,
        o.product_share,
        o.net_sales_share,
        o.interested,
        o.orders,
        o.orders_per_interested
    from ordered as o
)

select * from final
order by rank
